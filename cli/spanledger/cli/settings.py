"""Reads settings from defaults, a TOML file, the environment and options, and remembers where each value came from.

It knows nothing of what the settings mean: `config.py` holds the model.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from spanledger.cli.errors import UsageMistake

PREFIX = "SPANLEDGER_"
_SECRET_NAME = re.compile(r"(secret|password|passphrase|api_key)$")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN_ERRORS_MAX = 3
M = TypeVar("M", bound=BaseModel)


class Loaded(NamedTuple, Generic[M]):
    """A checked configuration and, for every value not left at its default, the place it was set at."""

    config: M
    sources: Mapping[tuple[str, ...], str]


class Layer(NamedTuple):
    """One place that sets values: nested tables, and a name for it that a person recognises."""

    values: Mapping[str, Any]
    source: str


def file_layer(path: Path) -> Layer:
    """A TOML file; UsageMistake names file and line where it is not TOML."""
    try:
        with path.open("rb") as file:
            return Layer(tomllib.load(file), f"file {path}")
    except tomllib.TOMLDecodeError as error:
        raise UsageMistake(f"{path} is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageMistake(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise UsageMistake(f"the configuration file {path} cannot be read: {error.strerror}") from error


def environment_layers(environ: Mapping[str, str]) -> Iterator[Layer]:
    """One layer a variable: SPANLEDGER_RECEIVER__HTTP=… sets receiver.http. Arrays and tables are written as in TOML.

    Variables without a double underscore (SPANLEDGER_DATA, SPANLEDGER_KEY …) are no settings of this file and stay out.
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name[len(PREFIX) :]:
            continue
        path = [part.lower() for part in name[len(PREFIX) :].split("__")]
        if not all(path):
            raise UsageMistake(f"environment variable {name} names no setting: write {PREFIX}SECTION__KEY")
        yield Layer(_nested(path, _environment_value(name, environ[name])), f"env {name}")


def _environment_value(name: str, text: str) -> Any:
    """Arrays and inline tables by TOML's rules, everything else as text for the model to read."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise UsageMistake(f"environment variable {name} is not a TOML array or table: {error}") from error


def option_layer(path: str, value: Any, option: str) -> Layer:
    """A value given on the command line; `path` is dotted."""
    return Layer(_nested(path.split("."), value), f"option {option}")


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    return dict(value)


def load(model: type[M], layers: list[Layer]) -> Loaded[M]:
    """Lay the layers over the defaults, later ones winning, and check the result; UsageMistake names every bad key."""
    merged: dict[str, Any] = {}
    sources: dict[tuple[str, ...], str] = {}
    for layer in layers:
        _lay(merged, layer.values, (), layer.source, sources)
    try:
        return Loaded(model.model_validate(merged), sources)
    except ValidationError as error:
        raise UsageMistake(describe_errors(model, error, sources)) from error


def _lay(under: dict[str, Any], over: Mapping[str, Any], path: tuple[str, ...], source: str, sources: dict[tuple[str, ...], str]) -> None:
    for key, value in over.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            deeper = under.get(key)
            if not isinstance(deeper, dict):
                deeper = under[key] = {}
            if not value:
                sources[here] = source
            _lay(deeper, value, here, source, sources)
        else:
            under[key] = value
            sources[here] = source


def describe_errors(model: type[BaseModel], error: ValidationError, sources: Mapping[tuple[str, ...], str]) -> str:
    """A validation error as one line: each key, what is wrong, what is allowed, and where it was set."""
    problems = error.errors(include_url=False)
    lines = []
    for problem in problems[:_SHOWN_ERRORS_MAX]:
        path = tuple(str(part) for part in problem["loc"])
        lines.append(f"{'.'.join(path) or 'configuration'}: {_problem(model, problem, path)}{_where(path, sources)}")
    if len(problems) > _SHOWN_ERRORS_MAX:
        lines.append(f"and {len(problems) - _SHOWN_ERRORS_MAX} more")
    return "configuration: " + "; ".join(lines)


def _problem(model: type[BaseModel], problem: Any, path: tuple[str, ...]) -> str:
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(model, path[:-1]))
        near = difflib.get_close_matches(path[-1], allowed, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"no such setting; {hint}allowed: {', '.join(allowed) or 'nothing'}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    value = problem.get("input")
    masked = bool(path) and _SECRET_NAME.search(path[-1]) is not None
    got = "" if problem["type"] in {"missing", "value_error"} or masked or isinstance(value, (Mapping, list)) else f", got {value!r:.60}"
    return f"{message[:1].lower()}{message[1:]}{got}"


def _where(path: tuple[str, ...], sources: Mapping[tuple[str, ...], str]) -> str:
    for length in range(len(path), 0, -1):
        if source := sources.get(path[:length]):
            return f" ({source})"
    return ""


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> set[str]:
    """The settings allowed in the section at a path."""
    current: Any = model
    for part in path:
        if not part.isdigit():
            field = getattr(current, "model_fields", {}).get(part)
            current = _model_in(field.annotation) if field is not None else None
    names = set()
    for name, field in getattr(current, "model_fields", {}).items():
        names.add(field.alias or name)
    return names


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as list[Rule] or Rule | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _model_in(argument)) is not None:
            return found
    return None


def from_environment(model: type[M], path: Path | None, options: list[Layer]) -> Loaded[M]:
    """Defaults, then the file, then the environment, then options."""
    layers = [file_layer(path)] if path is not None else []
    return load(model, [*layers, *environment_layers(os.environ), *options])


def to_toml(loaded: Loaded[Any]) -> str:
    """The effective configuration as TOML, each value with the place it is from; secrets are masked."""
    lines: list[str] = []
    _write_table(loaded.config, (), loaded.sources, lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(model: BaseModel, path: tuple[str, ...], sources: Mapping[tuple[str, ...], str], lines: list[str]) -> None:
    tables = []
    if path:
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            tables.append((name, value))
            continue
        here = (*path, name)
        set_at = next((source for place, source in sources.items() if place[: len(here)] == here), "default")
        if value is None:
            lines.append(f"# {_key(name)} is not set  # {set_at}")
        else:
            lines.append(f"{_key(name)} = {_masked(name, value)}  # {set_at}")
    for name, table in tables:
        _write_table(table, (*path, name), sources, lines)


def _masked(name: str, value: Any) -> str:
    if isinstance(value, (SecretStr, SecretBytes)) or (_SECRET_NAME.search(name) and isinstance(value, str)):
        return '"********"'
    return toml_value(value)


def toml_value(value: Any) -> str:
    """A value in TOML's notation, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, BaseModel):
        kept = {name: getattr(value, name) for name in type(value).model_fields}
        return toml_value({name: _Verbatim(_masked(name, item)) for name, item in kept.items() if item is not None})
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(key))} = {toml_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value) if isinstance(value, _Verbatim) else _quoted(str(value))


class _Verbatim(str):
    """Text that is TOML already."""

    __slots__ = ()


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
    return f'"{escaped}"'
