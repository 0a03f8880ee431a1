"""Writes docs/cli.md out of the commands' own help, so that the reference cannot lag behind: `python -m spanledger.cli.reference`."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer

from spanledger.cli.app import app
from spanledger.cli.lazy import COMMANDS, load

_MARKUP = re.compile(r"\[/?(bold|dim|italic)\]")
_INTRODUCTION = """# Command line

Written by `python -m spanledger.cli.reference` out of the commands' help; do not edit by hand.

Every command answers `--help`. `spanledger --install-completion` completes commands and options in your shell.

**Errors** are one line on standard error. Exit codes: 0 done; 1 it failed (or, for `ingest`, a file was bad); 2 the command line
or the configuration is wrong; 3 `doctor --fail-on` found something; 130 interrupted. `SPANLEDGER_DEBUG=1` shows the traceback
behind an error.

**Formats.** `table` is for people: on a narrow terminal it leaves columns out, never digits. `json`, `jsonl`, `csv` and `markdown`
are for machines and documents: ids in full as hex, money as exact decimal strings, times in UTC. In CSV a text that a spreadsheet
would run as a formula is preceded by an apostrophe.

**Environment.** `SPANLEDGER_DATA` and `SPANLEDGER_CONFIG` stand for `--data` and `--config`; `SPANLEDGER_SECTION__KEY` overrides a
setting of the configuration file (see [configuration](configuration.md)).
"""


def reference() -> str:
    """The whole reference as Markdown."""
    parts = [_INTRODUCTION]
    for name in COMMANDS:
        parts.extend(_section(load(name), f"spanledger {name}", 2))
    return "\n".join(parts).rstrip() + "\n"


def _section(command: Any, path: str, level: int) -> list[str]:
    parts = [f"{'#' * level} {path}", ""]
    parts += [*_help(command.help or ""), ""]
    context = typer.Context(command, info_name=path)
    rows = [row for parameter in command.get_params(context) if (row := _parameter(parameter)) is not None]
    if rows:
        parts += ["| Option | Meaning | |", "| --- | --- | --- |", *rows, ""]
    for name, sub in getattr(command, "commands", {}).items():
        parts += _section(sub, f"{path} {name}", level + 1)
    return parts


def plain(text: str) -> str:
    """A help text as a terminal shows it: without markup, brackets that are meant as such."""
    return _MARKUP.sub("", text.replace("\f", "")).replace("\\[", "[")


def _help(text: str) -> list[str]:
    """A docstring's paragraphs; the indented lines under «Examples» become a code block."""
    lines: list[str] = []
    examples: list[str] = []
    for line in plain(text).splitlines():
        if line.strip() in {"Examples", "Example"}:
            continue
        if line.startswith("  "):
            examples.append(line.strip())
        elif line.strip() or not examples:
            lines.append(line)
    return [*"\n".join(lines).strip().splitlines(), *(["", "```sh", *examples, "```"] if examples else [])]


def _parameter(parameter: Any) -> str | None:
    if "--help" in parameter.opts:
        return None
    metavar = parameter.metavar or ""
    if parameter.param_type_name != "option":
        return f"| `{_cell(metavar or parameter.name.upper())}` | {_cell(parameter.help or '')} | |"
    names = ", ".join(parameter.opts) + (f" {metavar}" if metavar else "")
    default = parameter.show_default if isinstance(parameter.show_default, str) else getattr(parameter.default, "value", parameter.default)
    notes = [f"default `{default}`"] if parameter.show_default is not False and default not in (None, (), False, "") else []
    notes += [f"`{parameter.envvar}`"] if parameter.envvar else []
    return f"| `{_cell(names)}` | {_cell(parameter.help or '')} | {'; '.join(notes)} |"


def _cell(text: str) -> str:
    return " ".join(plain(text).split()).replace("|", "\\|")


def main() -> None:
    """Print the reference."""
    assert app is not None  # noqa: S101 - importing it is what proves that the group itself still builds
    sys.stdout.write(reference())


if __name__ == "__main__":
    main()
