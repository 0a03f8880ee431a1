"""Bounds on the versions of instrumentation scopes."""

from __future__ import annotations

import pytest

from spanledger.enrich.dialects.versions import bounds, numbers, within


@pytest.mark.parametrize(
    ("version", "wanted"), [("1.3b0", (1, 3)), ("2.11.0", (2, 11)), ("v0.20.0-beta.1", (0, 20)), ("", None), ("dev", None)]
)
def test_numbers(version: str, wanted: tuple[int, ...] | None) -> None:
    assert numbers(version) == wanted


@pytest.mark.parametrize(
    ("version", "spec", "fits"),
    [
        ("0.3b0", "<1", True),
        ("1.0.0", "<1", False),
        ("0.2.8", ">=0.2,<1", True),
        ("0.1.20", ">=0.2", False),
        ("1.0", "==1", True),
        ("2.1b0", ">2", True),
        ("2.1b0", "<=2", False),
        ("", ">=0", False),
        ("", "", True),
    ],
)
def test_within(version: str, spec: str, fits: bool) -> None:
    assert within(version, spec) is fits


@pytest.mark.parametrize("spec", ["two", ">=", "~1.0", "1.0"])
def test_what_is_no_bound(spec: str) -> None:
    with pytest.raises(ValueError, match="not a version bound"):
        bounds(spec)
