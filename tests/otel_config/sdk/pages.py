"""Takes the pages of otel-config/sdk apart: what to install, the environment, the program, and the table of what is charged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[3] / "otel-config/sdk"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Promise(NamedTuple):
    """A row of the table: one call to the provider, and who pays."""

    asked: str
    call: str
    model: str
    tenant: str
    user: str
    session: str
    agent: str


class Page(NamedTuple):
    """A page that can be run."""

    path: Path
    install: str
    environment: str
    language: str
    program: str
    promises: tuple[Promise, ...]


def page(path: Path) -> Page:
    """The parts of a page."""
    text = path.read_text("utf-8")
    shell = [block for language, block in BLOCK.findall(text) if language == "sh"]
    [(language, program)] = [found for found in BLOCK.findall(text) if found[0] in ("python", "js")]
    [install] = [block for block in shell if not block.startswith("export")]
    [environment] = [block for block in shell if block.startswith("export")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    assert rows[0] == list(Promise._fields)
    return Page(path, install, environment, language, program, tuple(Promise(*row) for row in rows[2:]))


def pages() -> list[Path]:
    """The pages whose programs are run."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name.startswith(("python-", "node-")))
