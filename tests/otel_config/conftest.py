"""The Collector, built once, and a setting for each test; the frameworks of sdk, installed once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.otel_config.collector import Setting, built, made, setting

NOT_TO_BE_HAD = 3


@pytest.fixture(scope="session")
def binary() -> Path:
    """The Collector's binary."""
    return built()


@pytest.fixture
def place(binary: Path, tmp_path: Path) -> Iterator[Setting]:
    """What a test runs in."""
    with setting(binary, tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def frameworks() -> Path:
    """The frameworks, installed now if they are not yet there; without a package registry the tests are skipped."""
    return made("install_frameworks.py", NOT_TO_BE_HAD, "the frameworks cannot be installed: no package registry")
