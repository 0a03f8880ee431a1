"""Settings of enrichment: a pydantic model at the edge, which becomes frozen `Rules` for the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from spanledger.enrich.dialects.dialect import Dialect
from spanledger.enrich.dialects.registry import SHIPPED
from spanledger.enrich.dialects.versions import bounds
from spanledger.enrich.engine import Policy
from spanledger.enrich.failure_config import FailureConfig
from spanledger.enrich.flag_config import FlagConfig
from spanledger.enrich.meter_config import MeterConfig, meters_from
from spanledger.enrich.payers import ALLOCATION, FIELDS, LINK_FIELDS, RESOURCE_PAYERS, SPAN_PAYERS, PayerRules
from spanledger.enrich.rules import Rules, make_rules
from spanledger.enrich.shared import SharedCost
from spanledger.enrich.shared_config import SharedConfig, shared_from

PayerField = Literal["tenant", "user", "session", "workflow", "agent", "feature", "environment", "initiator"]
_DIALECT: TypeAdapter[Dialect] = TypeAdapter(Dialect)


class PayerConfig(BaseModel):
    """Where payers are looked for, before (or instead of) the shipped references."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    span: dict[PayerField, list[str]] = Field(default_factory=dict, description="Attributes of the span, asked first, by payer field.")
    resource: dict[PayerField, list[str]] = Field(
        default_factory=dict, description="Attributes of the resource, asked first, by payer field."
    )
    allocation: list[str] = Field(
        default_factory=list, description='Attributes with a split such as {"acme": 2, "globex": 1}, asked first.'
    )
    defaults: bool = Field(default=True, description="Also ask the attributes that frameworks use.")
    from_links: bool | list[PayerField] = Field(
        default=False,
        description="What calls of jobs and queues take from the spans that theirs link to, where their own trace does not say it: fields, "
        "or true for tenant, user, session, feature, environment and initiator.",
    )
    from_session: bool = Field(
        default=False, description="Calls without a tenant take the tenant (and user) that all other spans of their session agree on."
    )


class SettleConfig(BaseModel):
    """How long settlement waits for what may still come, in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quiet_seconds: float = Field(
        default=1.5, ge=0, description="Calls with a known payer are booked after this much silence of their trace."
    )
    hold_seconds: float = Field(default=3.0, ge=0, description="They are booked this long after they came even without silence.")
    payer_wait_seconds: float = Field(default=30.0, ge=0, description="How long a call without a payer waits for its root.")
    aggregate_wait_seconds: float = Field(default=10.0, ge=0, description="How long an aggregate waits for the calls it may restate.")
    spans_max: int = Field(default=200_000, ge=1, description="Spans held in memory; those of growing traces up to 2.5 times as many.")


class EnrichConfig(BaseModel):
    """Payers, dialects, meters, failed calls and settlement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payers: PayerConfig = Field(default_factory=PayerConfig, description="Who is charged.")
    settle: SettleConfig = Field(default_factory=SettleConfig, description="How long to wait for late spans.")
    dialects: list[dict[str, Any]] = Field(
        default_factory=list, description="Dialects of your own, asked before the shipped ones; `extends` names one to start from."
    )
    meters: list[MeterConfig] = Field(default_factory=list, description="Prices of tools, retrieval, remote agents and own compute.")

    failures: FailureConfig = Field(default_factory=FailureConfig, description="What failed calls cost us, and whether customers pay.")
    flags: FlagConfig = Field(default_factory=FlagConfig, description="What is remarked on calls.")

    shared: list[SharedConfig] = Field(default_factory=list, description="Shared costs that `report --allot` spreads by share of usage.")

    @model_validator(mode="after")
    def _shared_fit(self) -> EnrichConfig:
        shared_from(self.shared, meters_from(self.meters))
        return self

    @field_validator("meters")
    @classmethod
    def _named_once(cls, tables: list[MeterConfig]) -> list[MeterConfig]:
        meters_from(tables)
        return tables

    @field_validator("dialects")
    @classmethod
    def _readable(cls, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for table in tables:
            dialect_from(table)
        return tables


def dialect_from(table: Mapping[str, Any]) -> Dialect:
    """A dialect from a configuration table; `extends` takes the rest from a shipped one. ValueError names what is wrong."""
    given = dict(table)
    base = given.pop("extends", None)
    start: dict[str, Any] = {}
    if base is not None:
        parent = next((dialect for dialect in SHIPPED if dialect.name == base), None)
        if parent is None:
            raise ValueError(f"dialect {given.get('name')!r} extends {base!r}, which is none of {', '.join(d.name for d in SHIPPED)}")
        start = {field.name: getattr(parent, field.name) for field in fields(parent) if field.name != "seen"}
    if unknown := given.keys() - {field.name for field in fields(Dialect)}:
        raise ValueError(f"dialect {given.get('name')!r} has unknown settings: {', '.join(sorted(unknown))}")
    try:
        dialect = _DIALECT.validate_python({**start, **given})
    except ValidationError as error:
        raise ValueError(f"dialect {given.get('name')!r}: {error}") from error
    bounds(dialect.versions)
    return dialect


def rules_from(config: EnrichConfig) -> Rules:
    """The rules of a configuration: its own dialects and references first, then the shipped ones."""
    dialects = (*(dialect_from(table) for table in config.dialects), *SHIPPED)
    payers = PayerRules(
        span=_merged(config.payers.span, SPAN_PAYERS, config.payers.defaults),
        resource=_merged(config.payers.resource, RESOURCE_PAYERS, config.payers.defaults),
        allocation=(*config.payers.allocation, *(ALLOCATION if config.payers.defaults else ())),
        from_links=_link_fields(config.payers.from_links),
        from_session=config.payers.from_session,
    )
    return make_rules(dialects, payers, meters_from(config.meters), config.failures.policy(), config.flags.rules())


def shared_costs(config: EnrichConfig) -> tuple[SharedCost, ...]:
    """The shared costs by name; they are no part of the rules, since nothing is booked by them."""
    return shared_from(config.shared, meters_from(config.meters))


def policy_from(config: EnrichConfig) -> Policy:
    """The engine's waiting times."""
    settle = config.settle
    return Policy(settle.quiet_seconds, settle.hold_seconds, settle.payer_wait_seconds, settle.aggregate_wait_seconds, settle.spans_max)


def _link_fields(setting: bool | list[PayerField]) -> tuple[str, ...]:
    """The fields in their order; not with `true` the workflow and the agent, which name what runs here and not whom it runs for."""
    wanted: Sequence[str] = setting if isinstance(setting, list) else LINK_FIELDS if setting else ()
    return tuple(field for field in FIELDS if field in wanted)


def _merged(own: Mapping[PayerField, list[str]], shipped: Mapping[str, tuple[str, ...]], defaults: bool) -> dict[str, tuple[str, ...]]:
    own_refs: dict[str, list[str]] = {str(name): refs for name, refs in own.items()}
    return {name: tuple(dict.fromkeys([*own_refs.get(name, ()), *(refs if defaults else ())])) for name, refs in shipped.items()}
