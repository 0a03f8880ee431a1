from __future__ import annotations

import pytest
from pydantic import ValidationError

from spanledger.store.config import StoreConfig


def test_defaults_are_valid_and_frozen() -> None:
    config = StoreConfig()
    assert (config.past_days, config.future_days, config.chargeless_days) == (400, 2, 7.0)
    with pytest.raises(ValidationError):
        config.past_days = 1  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    "bad", [{"past_days": 0}, {"compact_files_min": 1}, {"query_memory_mb": 1}, {"sql_timeout_seconds": 0}, {"unknown": 1}]
)
def test_bad_settings_are_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        StoreConfig(**bad)  # type: ignore[arg-type]  # the point of the test
