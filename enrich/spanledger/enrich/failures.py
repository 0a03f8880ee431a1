"""What a failed attempt costs us and whether the customer pays for it: a policy per provider, since no span says so.

A failed call is an event of its own like any other. Where it tells usage, the provider counted it, so it is billed as its usage is known;
where it does not, the shipped rules below say what the providers' own words say, and everything else is `unknown`. Usage of a call
that is not billed is kept, at a price of zero; a call without usage stays unpriced whatever the policy says.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from spanledger.enrich.records import UsageState

Billing = Literal["billed", "not_billed", "assumed", "unknown"]
CustomerPays = Literal["if_billed", "never", "always"]

BY_USAGE: Final[dict[UsageState, Billing]] = {
    "measured": "billed",
    "partial": "billed",
    "estimated": "assumed",
    "aggregate": "assumed",
    "missing": "unknown",
}
"""Whether the provider bills a call, by what is known of its usage; a silent call may have failed, or may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """What failed calls of a provider ("": of any) cost, where the error is one of `errors` and usage is or is not told.

    `errors` are patterns (`*`, `?`) of `error.type`: a status code or an exception's name without its module, in lower case; none: any.
    `customer_pays` None leaves it to the policy. `source` says whose word the rule is.
    """

    billing: Billing
    provider: str = ""
    errors: tuple[str, ...] = ()
    with_usage: bool | None = False
    customer_pays: bool | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """The rules in order, the first that fits decides; and whether the customer pays for failed calls."""

    rules: tuple[FailureRule, ...]
    customer_pays: CustomerPays = "if_billed"


_REJECTED: Final = ("401", "429", "authenticationerror", "ratelimiterror")
_GOOGLE_ERRORS: Final = ("4??", "5??", "clienterror", "servererror")

SHIPPED_RULES: Final = (
    FailureRule(
        billing="not_billed",
        provider="gcp.vertex_ai",
        errors=_GOOGLE_ERRORS,
        source="Vertex AI pricing page: only requests that return HTTP 200 are charged",
    ),
    FailureRule(
        billing="not_billed",
        provider="gcp.gemini",
        errors=("400", "500", "invalidargument", "internalservererror"),
        source="Gemini API billing FAQ: requests that fail with 400 or 500 are not charged",
    ),
    *(
        rule
        for provider in ("azure.ai.openai", "azure.ai.inference")
        for rule in (
            FailureRule(
                billing="not_billed",
                provider=provider,
                errors=_REJECTED,
                source="Azure OpenAI cost documentation: 401 and 429 are not charged",
            ),
            FailureRule(
                billing="assumed",
                provider=provider,
                errors=("400", "408", "badrequesterror", "contentfilter*", "*timeout*"),
                source="Azure OpenAI cost documentation: charged where processing happened, as 400 of the content filter and 408",
            ),
        )
    ),
)
"""What providers say themselves. OpenAI, Anthropic, xAI and AWS say too little of failed calls to decide by the error alone: unknown."""

SHIPPED_POLICY: Final = FailurePolicy(rules=SHIPPED_RULES)


def judge(policy: FailurePolicy, provider: str | None, error_type: str | None, usage_state: UsageState) -> tuple[Billing, bool]:
    """(provider_billing, customer_billable) of a failed call."""
    told = usage_state != "missing"
    error = (error_type or "").rsplit(".", 1)[-1].lower()
    billing, customer = BY_USAGE[usage_state], None
    for rule in policy.rules:
        if (
            rule.provider in ("", provider)
            and rule.with_usage in (None, told)
            and (not rule.errors or any(fnmatchcase(error, pattern) for pattern in rule.errors))
        ):
            billing, customer = rule.billing, rule.customer_pays
            break
    if customer is None:
        customer = policy.customer_pays == "always" or (policy.customer_pays == "if_billed" and told and billing in ("billed", "assumed"))
    return billing, customer
