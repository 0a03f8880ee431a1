"""Writes docs/configuration.md out of the settings' own descriptions: `python -m spanledger.cli.config_reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spanledger.cli.config import Config
from spanledger.cli.settings import toml_value

_INTRODUCTION = """# Configuration

Written by `python -m spanledger.cli.config_reference` out of the settings themselves; do not edit by hand.

Everything has a default: spanledger runs without a configuration. Settings come, later ones winning, from

1. the defaults below,
2. a TOML file: `--config FILE` or `SPANLEDGER_CONFIG`,
3. environment variables: `SPANLEDGER_SECTION__KEY`, such as `SPANLEDGER_RECEIVER__HTTP=127.0.0.1:14318` or
   `SPANLEDGER_ENRICH__SETTLE__QUIET_SECONDS=5`; arrays and tables are written as in TOML,
4. options of the command, such as `serve --http`.

They are checked before anything starts; a mistake is one line that names the key and what is allowed. `spanledger config check FILE`
checks a file, `spanledger config show` prints what is in force and where each value comes from, with secrets masked.

```toml
[receiver]
grpc = "0.0.0.0:4317"          # needs an API key: see `spanledger keys create`
http = "off"                   # turns a protocol off

[enrich.payers]
span = { tenant = ["my.customer.id"], feature = ["my.feature"] }   # asked before the attributes that frameworks use

[receiver.journal]
retention_days = 90
```

Beside these there are `SPANLEDGER_DATA` (the data folder), `SPANLEDGER_KEY` (the API key that commands ask with, and that `ingest` uses
beside a server with keys; see [security](security.md)) and
`SPANLEDGER_DEBUG=1` (tracebacks behind errors).
"""


def configuration_reference() -> str:
    """The whole reference as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections(Config, ())]).rstrip() + "\n"


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    inner = {name: part for name, field in model.model_fields.items() if (part := _section_model(field)) is not None}
    rows = [_row(name, field) for name, field in model.model_fields.items() if name not in inner]
    if path:
        yield f"## [{'.'.join(path)}]\n"
        yield f"{_first_paragraph(model)}\n"
    if rows:
        yield "| Key | Default | Meaning |\n| --- | --- | --- |"
        yield from rows
        yield ""
    for name, part in inner.items():
        yield from _sections(part, (*path, name))


def _section_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a table, also of one that may be absent."""
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    only = kinds[0] if len(kinds) == 1 else None
    return only if isinstance(only, type) and issubclass(only, BaseModel) and get_origin(field.annotation) is not list else None


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _row(name: str, field: FieldInfo) -> str:
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    shown = "required" if field.is_required() else "not set" if default is None else f"`{toml_value(default)}`"
    meaning = " ".join((field.description or "").split())
    return f"| `{name}` | {shown} | {f'{meaning} {_limits(field)}'.strip()} |"


def _limits(field: FieldInfo) -> str:
    """What values are allowed, where the type says so."""
    parts = [f"{word} {bound}" for item in field.metadata for word, bound in _bounds(item)]
    choices = [str(value) for value in get_args(field.annotation)] if str(get_origin(field.annotation)) == "typing.Literal" else []
    parts += [f"one of {', '.join(choices)}"] if choices else []
    return f"({', '.join(parts)})" if parts else ""


def _bounds(item: Any) -> Iterator[tuple[str, Any]]:
    for name, word in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        bound = getattr(item, name, None)
        if bound is not None:
            yield word, bound


def main() -> None:
    """Print the reference."""
    sys.stdout.write(configuration_reference())


if __name__ == "__main__":
    main()
