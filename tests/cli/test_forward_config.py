"""`[forward]` refuses what would leak or could not work, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from spanledger.cli.forward_config import ForwardConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"endpoint": "collector:4317"}, "http:// or https://"),
        ({"endpoint": "http://collector.internal:4317"}, "use https"),
        ({"endpoint": "https://user:word@collector:4317"}, "only a host and a port"),
        ({"endpoint": "https://collector:4317/v1/logs"}, "only a host and a port"),
        ({"endpoint": "https://collector", "headers": {"Authorization": "Bearer x"}}, "header_files"),
        ({"endpoint": "https://collector", "tls": {"certificate": "a.pem"}}, "belong together"),
        ({"endpoint": "https://collector", "password": "x"}, "Extra inputs"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ForwardConfig.model_validate(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"endpoint": "http://127.0.0.1:4317"},
        {"endpoint": "http://collector.internal:4317", "insecure": True},
        {"endpoint": "https://collector/otlp", "protocol": "http"},
    ],
)
def test_what_is_allowed(settings: dict[str, Any]) -> None:
    assert ForwardConfig.model_validate(settings).endpoint == settings.get("endpoint")
