"""The Collector, built once, and a setting for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.otel_config.collector import Setting, built, setting


@pytest.fixture(scope="session")
def binary() -> Path:
    """The Collector's binary."""
    return built()


@pytest.fixture
def place(binary: Path, tmp_path: Path) -> Iterator[Setting]:
    """What a test runs in."""
    with setting(binary, tmp_path) as found:
        yield found
