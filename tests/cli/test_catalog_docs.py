"""The price lists and terms that docs/catalog.md shows are imported as they stand, and every command it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.runner import spanledger

TEXT = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", TEXT, re.DOTALL))


def test_there_are_examples() -> None:
    assert set(EXAMPLES) == {"ours.csv", "ours.toml", "terms-2026.toml"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_can_be_put_in_force(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(EXAMPLES[name])
    told = spanledger("prices", "import", tmp_path / name, "--activate", "--data", tmp_path / "data")
    assert told.code == 0, told.err
    lint = spanledger("prices", "lint", name.partition(".")[0], "--data", tmp_path / "data")
    assert lint.code == 0, lint.out


def test_every_command_it_names_is_there() -> None:
    named = set(re.findall(r"(?:`|spanledger )prices ([a-z]+)", TEXT))
    listed = spanledger("prices", "--help").out
    assert named
    assert [name for name in named if f" {name} " not in listed] == []
