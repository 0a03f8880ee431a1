"""The image, the compose file and the systemd unit, without an engine: linted, loaded by what Docker loads them with, and the Dockerfile's
own steps and commands run in a virtual environment as a user who may write nothing but the volume.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from scripts.fetched import cache_folder, made_once, run

from tests.otel_config.collector import CONFIGS, ROOT

DOCKER = CONFIGS / "docker"
UNIT = CONFIGS / "systemd/spanledger.service"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
USER = 10001


class Step(NamedTuple):
    """One instruction of a Dockerfile, and in which stage it stands."""

    stage: int
    word: str
    rest: str

    def command(self) -> list[str]:
        """What it runs, of its JSON form."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def steps() -> list[Step]:
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    made, stage = [], -1
    for line in filter(str.strip, text.splitlines()):
        word, rest = line.split(maxsplit=1)
        stage += word == "FROM"
        made.append(Step(stage, word, rest))
    return made


def of(word: str, stage: int = 1) -> list[Step]:
    return [step for step in steps() if (step.word, step.stage) == (word, stage)]


def test_the_dockerfile_has_no_lint(frameworks: Path, tmp_path: Path) -> None:
    hadolint = str(frameworks / "venv/bin/hadolint")
    assert subprocess.run([hadolint, "--no-fail", DOCKER / "Dockerfile"], capture_output=True, check=True).stdout == b""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nADD . /\n")
    assert subprocess.run([hadolint, bad], capture_output=True, check=False).returncode == 1


def test_the_image_runs_as_nobody_in_particular_and_holds_only_the_program() -> None:
    [user], [volume], [ports] = of("USER"), of("VOLUME"), of("EXPOSE")
    assert user.rest == f"{USER}:{USER}"
    assert (volume.command(), ports.rest) == (["/data"], "4317 4318")
    assert [step.rest for step in of("COPY")] == ["--from=build /venv /venv"]
    assert not of("ADD") + of("ADD", 0)
    kept = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {source for step in of("COPY", 0) for source in step.rest.split()[:-1]}
    assert copied == kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_manifests_for_kubernetes_mean_this_image() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    images = {name: service["image"] for name, service in compose.items()}
    manifests = "\n".join(path.read_text("utf-8") for path in (CONFIGS / "kubernetes").glob("*.yaml"))
    for image in images.values():
        assert f"image: {image}" in manifests
    pod = next(
        each for each in yaml.safe_load_all((CONFIGS / "kubernetes/spanledger.yaml").read_text("utf-8")) if each["kind"] == "StatefulSet"
    )
    spec = pod["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsUser"] == USER
    assert {port["containerPort"] for port in container["ports"]} == {4317, 4318}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/data", "/tmp"}
    assert container["args"][0] == "serve"


@pytest.fixture(scope="session")
def compose_go() -> Path:
    """The loader that `docker compose` has, built once into a cache outside the tree; skipped only where there is no Go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go to build compose-go with")
    command, env = [go, "install", COMPOSE_GO], os.environ | {"GOFLAGS": "-buildvcs=false"}
    folder = cache_folder("compose-go") / COMPOSE_GO.rpartition("@")[2]
    return made_once(folder, lambda made: run(command, env=env | {"GOBIN": str(made)})) / "cmd"


def load(compose_go: Path, file: Path) -> subprocess.CompletedProcess[str]:
    command = [compose_go, "-format", "json", "-no-interpolation", file.name]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)


def test_the_compose_file_loads_and_gives_nobody_more_than_needed(compose_go: Path, tmp_path: Path) -> None:
    done = load(compose_go, DOCKER / "compose.yaml")
    assert done.returncode == 0, done.stderr
    project: dict[str, Any] = json.loads(done.stdout)
    for name, service in project["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        for volume in service["volumes"]:
            if volume["type"] == "bind":
                source = Path(volume["source"])
                assert source.exists() or source.is_relative_to(DOCKER / "certificates"), source
            else:
                assert volume["source"] in project["volumes"]
    collector = project["services"]["collector"]
    assert all(port["host_ip"] == "127.0.0.1" for port in collector["ports"])
    wanted = set(re.findall(r"\$\{env:(\w+)", (CONFIGS / "agent.yaml").read_text("utf-8")))
    assert set(collector["environment"]) <= wanted
    assert project["services"]["spanledger"]["build"] == {"context": str(ROOT), "dockerfile": "otel-config/docker/Dockerfile"}
    bad = tmp_path / "compose.yaml"
    bad.write_text((DOCKER / "compose.yaml").read_text("utf-8").replace("restart: unless-stopped", "restarts: never", 1))
    assert load(compose_go, bad).returncode != 0


class Image:
    """What the Dockerfile makes, made in a folder: its places are those of the image below it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        source = root / "source"
        for step in of("COPY", 0):
            *names, to = step.rest.split()
            for name in names:
                target = source / (name if to == "./" else to)
                target.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, target)
        [build] = of("RUN", 0)
        made, installed = self.here(build.rest).split(" && ")
        tools = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-euc", made], cwd=source, env=tools, check=True)
        # What it depends on is lent by the present environment: a download of all of it would prove nothing of the Dockerfile.
        lent = next((root / "venv/lib").glob("python*/site-packages")) / "lent.pth"
        lent.write_text(f"{sysconfig.get_path('purelib')}\n")
        subprocess.run(["sh", "-euc", f"{installed} -q"], cwd=source, env=tools, check=True)
        shutil.rmtree(source)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.data, USER, USER)
        values = dict(pair.split("=", 1) for step in of("ENV") for pair in shlex.split(step.rest))
        self.env = {name: self.here(value).replace("$PATH", os.environ["PATH"]) for name, value in values.items()}

    def here(self, text: str) -> str:
        """A text with the image's places."""
        return re.sub(r"(?<![\w./])/(venv|data)\b", rf"{self.root}/\1", text)

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        """Run a command as the image's user, who may read everything here and write only the volume."""
        program = shutil.which(command[0], path=self.env["PATH"])
        assert program is not None
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        become += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
        told = [*(become if os.geteuid() == 0 else []), program, *command[1:]]
        return subprocess.Popen(told, cwd=self.data, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def healthy(self) -> bool:
        """What its health check says."""
        [check] = of("HEALTHCHECK")
        process = self.start(check.command())
        process.communicate(timeout=60)
        assert process.returncode in (0, 1)  # the only ones that Docker knows
        return process.returncode == 0


@pytest.fixture
def image() -> Iterator[Image]:
    """The image, in a folder that its user can reach."""
    with tempfile.TemporaryDirectory(prefix="spanledger-image-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Image(Path(made))


def test_its_steps_make_a_server_whose_health_check_goes_red_and_green(image: Image) -> None:
    assert not image.healthy()
    [entrypoint], [command] = of("ENTRYPOINT"), of("CMD")
    before = {path for path in image.root.rglob("*") if not path.is_relative_to(image.data)}
    server = image.start([*entrypoint.command(), *command.command(), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
    try:
        deadline = time.monotonic() + 90
        while not image.healthy():
            assert server.poll() is None, server.communicate()
            assert time.monotonic() < deadline
        [stop] = of("STOPSIGNAL")
        server.send_signal(signal.Signals[stop.rest])
        _, said = server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, said
    assert "everything accepted is in the ledger" in said
    assert not image.healthy()
    assert {path for path in image.root.rglob("*") if not path.is_relative_to(image.data)} == before
    assert {path.stat().st_uid for path in image.data.rglob("*")} == {USER if os.geteuid() == 0 else os.geteuid()}


def test_the_unit_is_sound_and_locked_down(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here to check the unit with")
    program = tmp_path / "spanledger"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    assert "/usr/local/lib/spanledger/bin/spanledger serve --data /var/lib/spanledger\n" in text
    unit.write_text(text.replace("/usr/local/lib/spanledger/bin/spanledger", str(program)))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    # From 0 (nothing in reach) to 100; a service with no lock has 96.
    secured = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(secured, capture_output=True, check=False).returncode == 0
    unit.write_text(
        unit.read_text().replace("DynamicUser=yes", "").replace("ProtectSystem=strict", "").replace("CapabilityBoundingSet=\n", "")
    )
    assert subprocess.run(secured, capture_output=True, check=False).returncode != 0
