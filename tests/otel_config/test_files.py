"""Every file is one that the Collector takes, says nothing that is not there, and is what the rules say it should be."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.collector_redaction import WITH_CONTENT, redaction

from spanledger.enrich.config import EnrichConfig, rules_from
from spanledger.enrich.kept import kept_for
from tests.otel_config.collector import CONFIGS

FILES = sorted(
    path for path in CONFIGS.glob("*.yaml") if path.name not in ("builder.yaml", "redact.yaml", "as-is.yaml", "kustomization.yaml")
)
ENV = {
    "SPANLEDGER_ENDPOINT": "localhost:4317",
    "SPANLEDGER_KEY": "key",
    "TRACING_ENDPOINT": "localhost:4317",
    "TENANT_KEYS": "keys",
    "GATEWAY_CERT": "cert.pem",
    "GATEWAY_KEY": "key.pem",
    "COLLECTOR_CERT": "cert.pem",
    "COLLECTOR_CERT_KEY": "key.pem",
    "FORWARD_TOKEN": "token",
}


def validate(binary: Path, *configs: Path) -> subprocess.CompletedProcess[str]:
    told = [part for config in configs for part in ("--config", str(config))]
    return subprocess.run([binary, "validate", *told], env=os.environ | ENV, capture_output=True, text=True, check=False)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def test_they_are_all_there() -> None:
    assert {"agent.yaml", "gateway.yaml", "fan-out.yaml", "tail-sampling.yaml", "forward-back.yaml"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_collector_takes_it(binary: Path, path: Path) -> None:
    done = validate(binary, path, CONFIGS / "redact.yaml")
    assert done.returncode == 0, done.stderr


def test_spans_can_go_on_as_they_are(binary: Path) -> None:
    assert validate(binary, CONFIGS / "agent.yaml", CONFIGS / "as-is.yaml").returncode == 0


def test_one_that_is_wrong_is_not_taken(binary: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "agent.yaml"
    wrong.write_text((CONFIGS / "agent.yaml").read_text().replace("max_elapsed_time: 0", "max_elapsed_tim: 0"))
    assert "max_elapsed_tim" in validate(binary, wrong, CONFIGS / "redact.yaml").stderr
    assert validate(binary, CONFIGS / "agent.yaml").returncode != 0, "without redact.yaml nothing starts, and nothing goes out as it is"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_goes_to_spanledger_is_kept_until_it_is_answered(path: Path) -> None:
    config = read(path)
    assert config["extensions"]["file_storage"]["fsync"] is True
    assert "batch" not in config["processors"], "a batch processor answers OK for what is only in memory"
    exporter = config["exporters"]["otlp_grpc/spanledger"]
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert "insecure" not in exporter["tls"]
    for name, pipeline in config["service"]["pipelines"].items():
        if "otlp_grpc/spanledger" in pipeline["exporters"]:
            assert pipeline["processors"][:2] == ["memory_limiter", "transform/redact"], name
    if exporter["auth"]["authenticator"] == "headers_setter":
        assert "batch" not in exporter["sending_queue"], "requests under different keys must not become one"


def test_the_gateway_says_what_plumbing_is_once() -> None:
    """One filter is the other's opposite, so that every span goes exactly one way, or none."""
    processors = read(CONFIGS / "gateway.yaml")["processors"]
    (charges,), (rest,) = (processors[name]["traces"]["span"] for name in ("filter/charges", "filter/rest"))
    assert charges.replace("not IsRootSpan() and ", "") == rest.replace("IsRootSpan() or not ", "")


def test_the_redaction_is_that_of_the_rules() -> None:
    wanted = redaction(rules_from(EnrichConfig()))
    assert (CONFIGS / "redact.yaml").read_text("utf-8") == wanted, "run: python scripts/collector_redaction.py > otel-config/redact.yaml"


def test_content_that_is_dropped_is_content_that_rules_know() -> None:
    assert kept_for(rules_from(EnrichConfig())).json_keys.keys() >= WITH_CONTENT
