"""The `[enrich.failures]` table: what failed calls cost, in the user's words before the shipped ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from spanledger.enrich.failures import SHIPPED_RULES, Billing, CustomerPays, FailurePolicy, FailureRule


class FailureRuleConfig(BaseModel):
    """One rule; every condition that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(default="", description="OpenTelemetry provider name (openai, azure.ai.openai, …); none: any.")
    errors: list[str] = Field(
        default_factory=list,
        description="Patterns (* and ?) of error.type: a status code, or an exception's name without its module, in any case; none: any.",
    )
    with_usage: bool | None = Field(default=None, description="Only failed calls that tell usage (true) or none (false); none given: both.")
    billing: Billing = Field(description="billed, not_billed, assumed or unknown.")
    customer_pays: bool | None = Field(default=None, description="Whether the customer pays; none given: as `failures.customer_pays` says.")

    def rule(self) -> FailureRule:
        """The rule as it is used."""
        return FailureRule(
            billing=self.billing,
            provider=self.provider,
            errors=tuple(pattern.lower() for pattern in self.errors),
            with_usage=self.with_usage,
            customer_pays=self.customer_pays,
            source="configuration",
        )


class FailureConfig(BaseModel):
    """What failed and retried attempts cost us, and who pays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[FailureRuleConfig] = Field(default_factory=list, description="Asked in order, before the shipped rules.")
    defaults: bool = Field(default=True, description="Also ask the shipped rules, which repeat what providers publish.")
    customer_pays: CustomerPays = Field(
        default="if_billed", description="Failed calls: if_billed (usage is told and the provider bills or is assumed to), never or always."
    )

    def policy(self) -> FailurePolicy:
        """The policy as it is used."""
        shipped = SHIPPED_RULES if self.defaults else ()
        return FailurePolicy(rules=(*(rule.rule() for rule in self.rules), *shipped), customer_pays=self.customer_pays)
