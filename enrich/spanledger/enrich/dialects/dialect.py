"""The declarative form of a dialect: how one instrumentation spells kinds, usage, models and names, as data.

A dialect is a table, so that a user can write one in configuration and `spanledger explain` can name the rule that was used.

**References.** Wherever a rule names a place on a span it is a string: `gen_ai.usage.input_tokens` is an attribute,
`output.value#usage.input_tokens` is a path inside an attribute that holds JSON (or the `repr` of a Python dict); lists on
the way are transparent (the first element that has the rest of the path counts) and `*` stands for any key. In kind rules
`$name` is the span's name and `$word` its first word, `$span_kind` its OTLP kind as "client", "internal", ….
In a list of references the first that is there and sane is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

_STRICT: Final = {"extra": "forbid"}
"""For pydantic, which makes these from configuration tables: a misspelt setting is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A condition on a span; every part that is given must hold, an empty one always does.

    `keys`: all of these references are there (and not empty); `any_keys`: one of them is; `without`: none of them is.
    `values`: reference -> the texts of which it must have one (numbers and booleans as text: "1", "true").
    `providers`: canonical provider names (after inference from the model). `models`: starts of the plain model name.
    `operations`: the operation found by the kind rules. `below`: reference -> a number; the count there must be smaller.
    """

    __pydantic_config__: ClassVar = _STRICT
    keys: tuple[str, ...] = ()
    any_keys: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    below: Mapping[str, int] = field(default_factory=dict)


ALWAYS = When()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """A kind rule: what the text at `ref` says the span is.

    `values` maps a text to "kind" or "kind:operation" ("inference:chat", "aggregate:invoke_agent", "tool:execute_tool");
    a kind alone keeps the text itself as the operation. `prefixes` does the same for texts that start so. `other` is the
    verdict for any other text ("" = the next rule decides). The first rule with a verdict decides.
    """

    __pydantic_config__: ClassVar = _STRICT
    ref: str
    values: Mapping[str, str]
    prefixes: Mapping[str, str] = field(default_factory=dict)
    other: str = ""
    when: When = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One spelling of usage and what its totals hold. A dialect's shapes are tried in order; the first that applies and counts wins.

    Quantities are lists of references. Parts named in `inside` are contained in their total on the wire, those in `outside`
    are beside it and are added; in neither = undecided: the identities decide (total = input + output, part > total), else
    the convention (inside) holds and the reading is flagged. Parts: "cache_read", "cache_write", "reasoning" and the keys of `extra`.
    `doubled`: parts that the emitter added to a total which already held them (subtracted once).
    `cache_write` is of every TTL; it is the sum of 5m and 1h where only these are there, or where `zero_is_unknown` names it.
    `rest_of_total`: the part ("reasoning") that `total` - input - output tells where nothing else does; it is outside then.
    `zero_is_unknown`: quantities whose zero says nothing. `untold`: parts this emitter can never tell, though they may be
    within the totals ("cache_read", "cache_write", "cache_ttl", "reasoning"): flagged `<part>_untold`, never guessed. "call_time": its
    spans tell of a call after it has ended.
    `extra`: further quantities by unit ("input_audio_tokens", "web_search_requests", …; see records.Usage).
    `in_total` says to which total an extra part belongs when it is outside: "input" or "output" by the unit's first word.
    Units that do not end in "_tokens" are beside the totals, and may be all that a span counts (search units, images, characters).
    `scaled`: reference -> factor of an extra that the emitter gives in larger units, also as a fraction (seconds of audio: 1000).
    """

    __pydantic_config__: ClassVar = _STRICT
    name: str = ""
    when: When = ALWAYS
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    total: tuple[str, ...] = ()
    cache_read: tuple[str, ...] = ()
    cache_write: tuple[str, ...] = ()
    cache_write_5m: tuple[str, ...] = ()
    cache_write_1h: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    rest_of_total: str = ""
    zero_is_unknown: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    scaled: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one instrumentation (family) spells what a meter needs.

    Matching. `scopes`: patterns of the instrumentation scope's name (exact, or `*` at the end); empty = any scope.
    `versions`: bounds on the scope's version (">=0.2,<1"), empty = any. `when`: a condition on the span itself.
    The registry asks dialects in order, and the first whose scope, version and condition fit reads the span.

    Reading. `kinds` in order; a span that none decides is `usage_kind` if it has usage of a shape, else "other"; where it has
    neither model nor provider though `usage_needs_model`, it restates. `provider`, `request_model`, … are references, `default_provider`
    stands where the span says nothing, `provider_names` maps the emitter's own names ("" = it is no provider: the model decides).
    `response_id_unique=False`: ids are made up. `made_up_ids`: patterns of invented ones among real ones; they are dropped.
    `not_payers`: keys that the payer rules must not believe on this emitter's spans (a made-up conversation id).
    `payers`: further payer references of this emitter, after the configured ones: field -> references.
    `estimated`, `partial`, `ignored`: when one holds, the usage is an emitter's estimate, known to be incomplete, no usage at all.
    `failed`: when one holds the call failed though the span's status does not say so.
    `usage_events`: span events whose attributes are read where the span itself has no usage ("gen_ai.usage").
    `event_keys`: attributes of span events that are read as if the span had them, the last one that says something a rule reads
    (the chunks of a stream).
    `prompt`: attributes whose pruned value is the prompt's HMAC. `json_scalars`: every text is itself JSON ('"acme"').
    `seen`: scope names and versions this was verified against.
    """

    __pydantic_config__: ClassVar = _STRICT
    name: str
    seen: str = ""
    scopes: tuple[str, ...] = ()
    versions: str = ""
    when: When = ALWAYS
    kinds: tuple[Kinds, ...] = ()
    usage_kind: str = "inference"
    usage_needs_model: bool = True
    shapes: tuple[Shape, ...] = ()
    provider: tuple[str, ...] = ()
    default_provider: str | None = None
    provider_names: Mapping[str, str] = field(default_factory=dict)
    request_model: tuple[str, ...] = ()
    response_model: tuple[str, ...] = ()
    response_id: tuple[str, ...] = ()
    response_id_unique: bool = True
    made_up_ids: tuple[str, ...] = ()
    service_tier: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    server_address: tuple[str, ...] = ("server.address", "net.peer.name")
    tool_name: tuple[str, ...] = ()
    emitter_cost: tuple[str, ...] = ()
    error_type: tuple[str, ...] = ("error.type", "exception.type")
    attempt: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    not_payers: tuple[str, ...] = ()
    payers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    estimated: tuple[When, ...] = ()
    partial: tuple[When, ...] = ()
    ignored: tuple[When, ...] = ()
    failed: tuple[When, ...] = ()
    usage_events: tuple[str, ...] = ()
    event_keys: tuple[str, ...] = ()
    json_scalars: bool = False


SHAPE_PARTS = ("input", "output", "total", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "reasoning")
TEXT_FIELDS = (
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "service_tier",
    "region",
    "server_address",
    "tool_name",
    "emitter_cost",
    "error_type",
    "attempt",
)


def when_refs(when: When) -> Iterator[str]:
    """Every reference a condition looks at."""
    yield from when.keys
    yield from when.any_keys
    yield from when.without
    yield from when.values
    yield from when.below


def number_refs(dialect: Dialect) -> Iterator[str]:
    """The references a dialect reads counts and costs from."""
    for shape in dialect.shapes:
        for part in SHAPE_PARTS:
            yield from getattr(shape, part)
        for refs in shape.extra.values():
            yield from refs
    yield from dialect.emitter_cost
    yield from dialect.attempt


def conditions(dialect: Dialect) -> Iterator[When]:
    """Every condition of a dialect."""
    yield from (dialect.when, *dialect.estimated, *dialect.partial, *dialect.ignored, *dialect.failed)
    yield from (rule.when for rule in dialect.kinds)
    yield from (shape.when for shape in dialect.shapes)


def condition_refs(dialect: Dialect) -> Iterator[str]:
    """The references a dialect only tests."""
    for when in conditions(dialect):
        yield from when_refs(when)


def text_refs(dialect: Dialect) -> Iterator[str]:
    """The references a dialect reads identifiers, names and kinds from (pseudo references `$…` left out)."""
    for name in TEXT_FIELDS:
        yield from getattr(dialect, name)
    for refs in dialect.payers.values():
        yield from refs
    for rule in dialect.kinds:
        if not rule.ref.startswith("$"):
            yield rule.ref


def all_refs(dialect: Dialect) -> Iterator[str]:
    """Every reference of a dialect."""
    yield from number_refs(dialect)
    yield from condition_refs(dialect)
    yield from text_refs(dialect)
    yield from dialect.prompt
