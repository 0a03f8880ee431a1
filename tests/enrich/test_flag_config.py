"""The table of flags becomes the rules; negative thresholds are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from spanledger.enrich.findings import NO_FLAGS, FlagRules
from tests.enrich.metering import Metered, configured


def test_thresholds_are_taken_over() -> None:
    text = "[enrich.flags]\nlarge_prompt_tokens = 1\nfallback_models = true\nloop_depth = 2\nloop_repeats = 3\n"
    assert configured(text).flags.rules() == FlagRules(large_prompt_tokens=1, fallback_models=True, loop_depth=2, loop_repeats=3)
    assert configured("").flags.rules() == NO_FLAGS
    assert Metered(text).rules.ruleset_id != Metered("").rules.ruleset_id


@pytest.mark.parametrize("name", ["large_prompt_tokens", "loop_depth", "loop_repeats"])
def test_a_threshold_is_not_negative(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        configured(f"[enrich.flags]\n{name} = -1\n")
