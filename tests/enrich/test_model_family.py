"""Families of models: snapshots and aliases are one, siblings and versions are not, and unknown names say nothing."""

from __future__ import annotations

import pytest

from spanledger.enrich.model_family import differ


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-3.5-turbo", "gpt-35-turbo-0125"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gemini-flash-latest", "gemini-2.5-flash-preview-05-20"),
        ("gemini-1.5-pro", "gemini-1.5-pro-001"),
        ("my-deployment", "gpt-4o"),  # an Azure deployment has any name
        ("openrouter/auto", "claude-sonnet-4-5"),
        ("gpt-4o", None),
        (None, "gpt-4o"),
    ],
)
def test_one_family(asked: str | None, answered: str | None) -> None:
    assert not differ(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o", "claude-sonnet-4-5"),
        ("gpt-4.1", "gpt-4-0613"),
        ("claude-opus-4-1", "claude-opus-4-20250514"),
        ("gemini-2.5-pro", "gemini-2.5-flash"),
    ],
)
def test_another_family(asked: str, answered: str) -> None:
    assert differ(asked, answered)
    assert differ(answered, asked)
