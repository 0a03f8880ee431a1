"""What several spans of one provider call say together: which of them is the charge and what the others lend it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from spanledger.enrich.records import NO_USAGE, Call, Reading, Usage

_STATE_RANK = {"measured": 3, "partial": 2, "aggregate": 1, "estimated": 1, "missing": 0}


def bears_usage(call: Call | None) -> bool:
    """Whether a span tells of anything used; a usage of zeros alone does not (emitters write zeros for failed calls)."""
    if call is None or call.usage is None:
        return False
    usage = call.usage
    if usage.input_tokens or usage.output_tokens:
        return True
    return bool(usage.cache_read_tokens or usage.cache_write_tokens or any(count for _, count in usage.extra))


def teller(reading: Reading) -> tuple[str, str]:
    """Who tells of a call: the instrumentation scope and the dialect it speaks. One teller tells of a call once.

    A scope that tells of one call on spans of two kinds (Traceloop's LangChain JS: the model and the node above it) has two dialects.
    """
    return reading.scope, reading.call.dialect if reading.call is not None else ""


@lru_cache(maxsize=4096)
def plain(model: str) -> str:
    """A model name as two instrumentations may share it: lower case, without a provider prefix."""
    return model.lower().rsplit("/", 1)[-1]


def models_agree(one: Call, other: Call) -> bool:
    """Whether two spans can be of one model: some name of one begins or ends like some name of the other, or one is silent."""
    mine = [plain(m) for m in (one.response_model, one.request_model) if m]
    theirs = [plain(m) for m in (other.response_model, other.request_model) if m]
    if not mine or not theirs:
        return True
    return any(a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a) for a in mine for b in theirs)


def counts_agree(one: Call, other: Call) -> bool:
    """Whether input and output of two spans are equal where both tell of them (output may be off by one: see below).

    Some instrumentations count the first output token of an Anthropic stream twice (NOTES: OpenLLMetry 0.39-0.62,
    LangChain JS), so a difference of one output token is the same call told by a worse teller.
    """
    if one.usage is None or other.usage is None:
        return True
    a, b = one.usage, other.usage
    if a.input_tokens and b.input_tokens and a.input_tokens != b.input_tokens:
        short, whole = (one, b) if a.input_tokens < b.input_tokens else (other, a)
        if not _is_without_cache(short, whole):
            return False
    return not (a.output_tokens and b.output_tokens and abs(a.output_tokens - b.output_tokens) > 1)


def _is_without_cache(short: Call, whole: Usage) -> bool:
    """Whether a span's input is what another's is without the cache, from an emitter that cannot tell of the cache and leaves it out."""
    if short.usage is None or whole.input_tokens is None or "cache_read_untold" not in short.flags:
        return False
    return short.usage.input_tokens == whole.input_tokens - (whole.cache_read_tokens or 0) - (whole.cache_write_tokens or 0)


def detail(reading: Reading) -> tuple[int, ...]:
    """How much a span tells of its call, for choosing the fullest: measured before estimated, then the finer split."""
    call = reading.call
    if call is None or call.usage is None:
        return (0,)
    usage = call.usage
    return (
        1 if bears_usage(call) else 0,
        _STATE_RANK[call.usage_state],
        1 if usage.cache_write_5m_tokens is not None or usage.cache_write_1h_tokens is not None else 0,
        sum(1 for part in (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) if part),
        sum(1 for part in (usage.input_tokens, usage.output_tokens) if part),
        sum(1 for part in (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) if part is not None),
    )


def fullest(members: Sequence[Reading], depth_of: Sequence[int]) -> int:
    """Index of the member that is the charge: the most detailed, then the innermost, then by content, never by arrival."""

    def rank(i: int) -> tuple[object, ...]:
        reading = members[i]
        call = reading.call
        has_id = call is not None and call.response_id is not None and call.response_id_unique
        return (detail(reading), has_id, depth_of[i], reading.start_ns, reading.trace_id, reading.span_id)

    return max(range(len(members)), key=rank)


def lend_usage(own: Usage, other: Usage) -> Usage:
    """`own` with the parts it lacks (None, or zero where the other knows better) taken from a span with the same totals.

    Zero on the wire is not always zero (an emitter without the detail writes 0), so a positive part wins where the
    inclusive totals agree; where they disagree nothing is mixed.
    """
    if own.input_tokens and other.input_tokens and own.input_tokens != other.input_tokens:
        return own
    same_output = not (own.output_tokens and other.output_tokens and own.output_tokens != other.output_tokens)
    lends_output = other if same_output else NO_USAGE
    merged = Usage(
        own.input_tokens or other.input_tokens or own.input_tokens,
        own.output_tokens or other.output_tokens or own.output_tokens,
        _better(own.cache_read_tokens, other.cache_read_tokens),
        _better(own.cache_write_tokens, other.cache_write_tokens),
        _better(own.cache_write_5m_tokens, other.cache_write_5m_tokens),
        _better(own.cache_write_1h_tokens, other.cache_write_1h_tokens),
        _better(own.reasoning_tokens, lends_output.reasoning_tokens),
        _lend_extra(own.extra, other.extra),
    )
    return own if merged == own else merged


def _better(mine: int | None, theirs: int | None) -> int | None:
    return theirs if mine is None or (mine == 0 and theirs) else mine


def _lend_extra(mine: tuple[tuple[str, int], ...], theirs: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    if not theirs or mine == theirs:
        return mine
    return tuple(sorted({**dict(mine), **dict(theirs), **{unit: count for unit, count in mine if count}}.items()))


def merged_call(charge: Reading, others: Sequence[Reading]) -> Call:
    """The charge's call with what the other tellers of the same call lend: parts of usage, ids, models, tier."""
    call = charge.call
    if call is None:
        raise ValueError("a charge without a call")
    for other in others:
        theirs = other.call
        if theirs is None:
            continue
        usage = call.usage
        if usage is None:
            usage = theirs.usage
        elif theirs.usage is not None and theirs.usage_state == "measured":
            usage = lend_usage(usage, theirs.usage)
        keep_id = call.response_id is not None and (call.response_id_unique or not theirs.response_id_unique or theirs.response_id is None)
        call = call._replace(
            usage=usage,
            provider=call.provider or theirs.provider,
            request_model=call.request_model or theirs.request_model,
            response_model=call.response_model or theirs.response_model,
            response_id=call.response_id if keep_id else theirs.response_id,
            response_id_unique=call.response_id_unique if keep_id else theirs.response_id_unique,
            service_tier=call.service_tier or theirs.service_tier,
            region=call.region or theirs.region,
            emitter_cost_usd=call.emitter_cost_usd or theirs.emitter_cost_usd,
            prompt_hmac=call.prompt_hmac or theirs.prompt_hmac,
        )
    return call


def standing_call(aggregate: Reading, silent: Sequence[Reading]) -> Call:
    """The aggregate's call with the provider and models it lacks, where all the silent calls it stands for are of the same ones.

    A turn or task that carries the usage of its calls may not name a model (OpenAI Agents JS): without one it has no price.
    """
    call = aggregate.call
    if call is None:
        raise ValueError("a charge without a call")
    theirs = [reading.call for reading in silent if reading.call is not None]
    if call.request_model is None and call.response_model is None:
        call = call._replace(
            request_model=_common({one.request_model for one in theirs}),
            response_model=_common({one.response_model for one in theirs}),
        )
    return call if call.provider is not None else call._replace(provider=_common({one.provider for one in theirs}))


def _common(values: set[str | None]) -> str | None:
    return values.pop() if len(values) == 1 else None
