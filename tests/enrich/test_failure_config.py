"""The table of failed calls: rules of the user's own come first, and may decide for the customer too."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from spanledger.enrich.failures import judge
from tests.enrich.metering import configured


def test_a_rule_may_decide_for_the_customer_too() -> None:
    text = '[[enrich.failures.rules]]\nprovider = "x_ai"\nbilling = "billed"\ncustomer_pays = true\n'
    policy = configured(text).failures.policy()
    assert judge(policy, "x_ai", "ContentPolicyViolation", "missing") == ("billed", True)
    assert judge(policy, "openai", "500", "missing") == ("unknown", False)


def test_shipped_rules_can_be_left_out() -> None:
    policy = configured("[enrich.failures]\ndefaults = false\n").failures.policy()
    assert judge(policy, "gcp.vertex_ai", "429", "missing") == ("unknown", False)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValidationError, match="billing"):
        configured('[[enrich.failures.rules]]\nbilling = "free"\n')
