"""The `[enrich.flags]` table: thresholds of the findings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from spanledger.enrich.findings import FlagRules


class FlagConfig(BaseModel):
    """What is remarked on calls as `flags`; 0 or false turns a rule off, and all are off by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    large_prompt_tokens: int = Field(default=0, ge=0, description="large_prompt.v1: input of so many tokens or more, cached ones included.")
    fallback_models: bool = Field(
        default=False, description="fallback_model.v1: another model family answered than was asked for, or than failed just before."
    )
    loop_depth: int = Field(default=0, ge=0, description="loop_depth.v1: so many tools and agents one in another above a call.")
    loop_repeats: int = Field(default=0, ge=0, description="loop_repeats.v1: calls after the same tool or agent was started so many times.")

    retrieved_tokens: bool = Field(
        default=False, description="retrieved_estimate.v1: input that documents retrieved before a call may have made, from their lengths."
    )

    def rules(self) -> FlagRules:
        """The rules as they are used."""
        return FlagRules(
            large_prompt_tokens=self.large_prompt_tokens,
            fallback_models=self.fallback_models,
            loop_depth=self.loop_depth,
            loop_repeats=self.loop_repeats,
            retrieved_tokens=self.retrieved_tokens,
        )
