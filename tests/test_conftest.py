"""In CI a skipped test has failed, but for those that say why they may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

@pytest.fixture
def collector():
    pytest.skip("there is no Go")

def test_with_a_collector(collector): ...

@pytest.mark.skip(reason="not today")
def test_another(): ...
"""


def run(folder: Path, name: str, ci: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / name).write_text(SKIPS)
    environment = {**{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}, "CI": ci}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, folder / name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    return done.returncode, done.stdout


def test_in_ci_a_skip_is_a_failure(tmp_path: Path) -> None:
    code, said = run(tmp_path, "test_some.py", "true")
    assert code == 1
    assert "CI must run this test, and it was skipped: Skipped: there is no Go" in said
    assert "2 errors" in said


@pytest.mark.parametrize(("name", "ci"), [("test_some.py", ""), ("test_delta.py", "true")])
def test_elsewhere_and_where_it_says_so_it_is_none(tmp_path: Path, name: str, ci: str) -> None:
    code, said = run(tmp_path, name, ci)
    assert code == 0
    assert "2 skipped" in said
