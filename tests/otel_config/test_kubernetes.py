"""The manifests hold together: what they name is there, what runs is locked down, and the Collectors in them get what our files ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.otel_config.collector import CONFIGS
from tests.otel_config.test_files import read

KINDS = {
    "Namespace": "v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "Pod": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
FILES = sorted((CONFIGS / "kubernetes").glob("*.yaml"))
SECRETS = {"spanledger-tls", "spanledger-forward", "spanledger-keys", "otel-gateway-tls", "shop-spanledger"}


def documents() -> list[dict[str, Any]]:
    return [document for path in FILES for document in yaml.safe_load_all(path.read_text("utf-8"))]


def workloads() -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in documents() if "template" in each.get("spec", {})}


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod(workload).get("initContainers", ()), *pod(workload)["containers"]]


def ports(workload: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", ())}


def find(value: Any, key: str) -> Iterator[Any]:
    """Everything under a key, anywhere."""
    if isinstance(value, dict):
        for name, inside in value.items():
            if name == key:
                yield inside
            yield from find(inside, key)
    elif isinstance(value, list):
        for item in value:
            yield from find(item, key)


def test_every_document_is_of_a_known_kind_and_has_a_name_of_its_own() -> None:
    found = documents()
    for each in found:
        assert KINDS[each["kind"]] == each["apiVersion"]
        assert re.fullmatch(r"[a-z0-9-]{1,63}", each["metadata"]["name"])
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names)) == 11


@pytest.mark.parametrize("name", workloads())
def test_what_a_pod_names_is_there(name: str) -> None:
    workload = workloads()[name]
    spec = workload["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    volumes = {each["name"] for each in pod(workload).get("volumes", ())}
    volumes |= {each["metadata"]["name"] for each in spec.get("volumeClaimTemplates", ())}
    mounted = {mount["name"] for each in containers(workload) for mount in each.get("volumeMounts", ())}
    assert mounted == volumes
    maps = {each["metadata"]["name"] for each in documents() if each["kind"] == "ConfigMap"} | {"otelcol-config"}
    assert {each["name"] for each in find(pod(workload), "configMap")} <= maps
    used = {each["secretName"] for each in find(pod(workload), "secret")} | {each["name"] for each in find(pod(workload), "secretKeyRef")}
    assert used <= SECRETS
    readme = (CONFIGS / "kubernetes/README.md").read_text("utf-8")
    assert not [secret for secret in used if f"`{secret}`" not in readme and f" {secret} " not in readme]
    for probe in [*find(pod(workload), "readinessProbe"), *find(pod(workload), "livenessProbe")]:
        assert probe["httpGet"]["port"] in ports(workload)


@pytest.mark.parametrize("name", [name for name in workloads() if name != "shop"])
def test_what_runs_is_locked_down(name: str) -> None:
    workload = workloads()[name]
    assert pod(workload)["automountServiceAccountToken"] is False
    for each in containers(workload):
        own = {**pod(workload).get("securityContext", {}), **each["securityContext"]}
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"]["drop"] == ["ALL"]
        assert not each["image"].endswith(":latest")
        assert ":" in each["image"]
    for each in pod(workload)["containers"]:
        own = {**pod(workload).get("securityContext", {}), **each["securityContext"]}
        assert own["runAsNonRoot"] is True
        assert each["resources"]["limits"]["memory"]


def test_services_and_policies_select_what_runs() -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in workloads().values()]
    for each in documents():
        if each["kind"] == "Service":
            workload = workloads()[each["metadata"]["name"]]
            assert each["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
            assert all(port["targetPort"] in ports(workload) for port in each["spec"]["ports"])
    for selector in [*find(documents(), "podSelector")]:
        assert any(selector["matchLabels"].items() <= label.items() for label in labels)
    assert workloads()["spanledger"]["spec"]["replicas"] == 1, "a ledger has one writer"


@pytest.mark.parametrize(("name", "config"), [("otel-agent", "agent.yaml"), ("otel-gateway", "gateway.yaml")])
def test_collectors_get_what_their_file_asks_for(name: str, config: str) -> None:
    collector = pod(workloads()[name])["containers"][0]
    text = (CONFIGS / config).read_text("utf-8")
    asked = set(re.findall(r"\$\{env:([A-Z_]+)\}", text))
    given = {each["name"] for each in collector["env"]}
    assert asked <= given
    assert given <= set(re.findall(r"\$\{env:([A-Z_]+)", text)), "a variable that nothing reads"
    assert collector["args"] == ["--config", f"/etc/otelcol/{config}", "--config", "/etc/otelcol/redact.yaml"]
    assert collector["image"].endswith(f":{read(CONFIGS / 'builder.yaml')['dist']['version']}"), "the version that is tested"
    limit = read(CONFIGS / config)["processors"]["memory_limiter"]["limit_mib"]
    mib = {"512Mi": 512, "2Gi": 2048}[collector["resources"]["limits"]["memory"]]
    assert limit < mib


def test_kustomize_takes_all_of_it() -> None:
    wanted = read(CONFIGS / "kustomization.yaml")
    assert set(wanted["resources"]) == {f"kubernetes/{path.name}" for path in FILES} - {
        "kubernetes/application.yaml",
        "kubernetes/keys.yaml",
    }
    assert all((CONFIGS / name).is_file() for name in wanted["configMapGenerator"][0]["files"])
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        done = subprocess.run([kubectl, "kustomize", str(CONFIGS)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "redact.yaml: |" in done.stdout
