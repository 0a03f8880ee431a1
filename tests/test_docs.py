"""The documents say what the program does: references are generated, every command and setting is there, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from spanledger.cli.config_reference import configuration_reference
from spanledger.cli.findings import NAMES, QUARANTINED
from spanledger.cli.lazy import COMMANDS
from spanledger.cli.reference import reference

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def documents() -> list[Path]:
    """Every Markdown file of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_command_reference_is_that_of_the_commands() -> None:
    assert (ROOT / "docs/cli.md").read_text("utf-8") == reference(), "run: python -m spanledger.cli.reference > docs/cli.md"


def test_the_configuration_reference_is_that_of_the_settings() -> None:
    written = (ROOT / "docs/configuration.md").read_text("utf-8")
    assert written == configuration_reference(), "run: python -m spanledger.cli.config_reference > docs/configuration.md"


def test_every_setting_says_what_it_means() -> None:
    silent = [line for line in configuration_reference().splitlines() if line.startswith("| `") and re.search(r"\| (\(.*\))? ?\|$", line)]
    assert not silent, "give these a description (Field(description=…) or a docstring after the field)"


def test_every_command_has_a_section() -> None:
    text = reference()
    assert all(f"\n## spanledger {name}\n" in text for name in COMMANDS)


def test_every_finding_and_code_is_documented() -> None:
    text = (ROOT / "cli/README.md").read_text("utf-8")
    assert not [name for name in (*NAMES, *QUARANTINED) if f"`{name}`" not in text]


@pytest.mark.parametrize("part", ["receiver", "enrich", "store", "cli"])
def test_every_part_has_a_readme(part: str) -> None:
    assert (ROOT / part / "README.md").is_file(), f"say what goes in and out of {part} in {part}/README.md"


def test_links_lead_to_files() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents()
        for target in LINK.findall(path.read_text("utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert not broken
