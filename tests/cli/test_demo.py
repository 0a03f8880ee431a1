"""The demo, whole: its figures are those of the workload, and its folder can be kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.runner import COMMAND, events, spanledger


def test_demo_prints_reports_and_an_explanation(tmp_path: Path) -> None:
    data = tmp_path / "ledger"
    done = subprocess.run([*COMMAND, "demo", "--data", str(data)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    words = done.stdout.split()
    for expected in ("acme", "globex", "initech", "umbrella", "(unattributed)", "gpt-5-2025-08-07", "claude-sonnet-4-5-20250929"):
        assert expected in words
    # 1,700 plain * 3 + 6,000 one-hour writes * 6 + 1,500 writes * 3.75 + 700 out * 15, per million
    assert "0.0051 + 0.036 + 0.005625 + 0.0105 = 0.057225 USD" in done.stdout
    found = events(data)
    assert len(found) == 40
    assert {event["price_reason"] for event in found if event["usage_state"] == "measured"} == {None, "unknown_model"}
    assert spanledger("doctor", "--data", data, "--fail-on", "unattributed").code == 3
