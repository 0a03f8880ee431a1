"""What the ledger's short words mean, in a sentence for people: how a payer was found, how usage was read, why there is no price, why a
correction was booked."""

from __future__ import annotations

HOW = {
    "key": "the API key is bound to this tenant, which beats what spans claim",
    "span": "the charged span says so",
    "resource": "the span's resource says so",
    "ancestor": "inherited from a span above it",
    "twin": "told by another span of the same call",
    "allocation": "shared work, split by the weights the span gives",
    "contract": "the contract is this tenant's own",
}
UNPRICED = {
    "no_usage": "the spans say nothing of what was used",
    "unknown_model": "no catalog entry fits this model at this provider",
    "not_effective_yet": "the catalog's prices for it begin later",
    "no_rate": "the catalog has no rate for this quantity",
    "no_rate_for_tier": "the catalog has no rate for this service tier",
    "count_out_of_range": "a count is negative or beyond anything a request can have",
    "parts_exceed_total": "the parts of a count exceed their total",
}
"""What each reason for having no price means; a reason may name a unit or tier after a colon."""
REASONS = {
    "suppressed": "another span tells of the same call, so this one is not charged",
    "payer_found": "a later span said whose it is",
    "attributed": "a later span said more about who and what it was for",
    "revised": "the span came again with other content",
    "completed": "a later span completed what is known of the call",
    "repriced": "the usage was priced again with other prices",
    "replayed": "what was received was read again with other rules",
    "commitment_shortfall": "less was used in the period than the contract promises",
    "commitment_overage": "use beyond what the contract promises costs more",
    "commitment_settled_again": "late calls or corrections have changed what was used in the period",
    "commitment_taken_back": "its booking was taken back",
}
_RULES = {
    "input_includes_cache": "the input count holds what was read from and written to the cache",
    "input_excludes_cache": "cached tokens were counted beside the input and are added to it",
    "output_includes_reasoning": "the output count holds the reasoning",
    "output_excludes_reasoning": "reasoning was counted beside the output and is added to it",
    "output_counts_reasoning_twice": "the output held the reasoning twice, and it is counted once",
}
_HOW_SURE = {
    "_by_identity": ", since only so the counts add up",
    "_by_convention": ", as the conventions say; the counts themselves do not tell",
}


def unpriced_text(reason: str) -> str:
    """A reason for having no price, with what it means."""
    meaning = UNPRICED.get(reason.partition(":")[0])
    return f"{reason} ({meaning})" if meaning else reason


def rule_text(rule: str) -> str | None:
    """What a rule of reading usage decided; None where there was nothing to decide."""
    found = []
    for word in rule.split(","):
        base, sure = word, ""
        for suffix, text in _HOW_SURE.items():
            if word.endswith(suffix):
                base, sure = word.removesuffix(suffix), text
        if base in _RULES:
            found.append(_RULES[base] + sure)
    return "; ".join(found) or None
