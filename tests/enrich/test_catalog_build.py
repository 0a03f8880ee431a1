"""The shipped catalog can be built again from its pinned inputs, to the byte; the build depends on nothing else.

Needs genai-prices and LiteLLM (dependency group `catalog`); LiteLLM may be given as a wheel in SPANLEDGER_LITELLM_WHEEL.
"""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINS = {"genai-prices": "0.2.3", "litellm": "1.109.1"}
LITELLM_WHEEL = os.environ.get("SPANLEDGER_LITELLM_WHEEL")


def missing() -> str | None:
    for package, wanted in PINS.items():
        if package == "litellm" and LITELLM_WHEEL:
            continue
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return f"{package} {wanted} is not installed (dependency group catalog)"
        if found != wanted:
            return f"{package} is {found}, the catalog is pinned to {wanted}"
    return None


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_the_build_is_reproducible(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    wheel = ["--litellm", LITELLM_WHEEL] if LITELLM_WHEEL else []
    command = [sys.executable, str(ROOT / "scripts" / "build_catalog.py"), "--check", "--report", str(report), *wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    remarks = report.read_text().splitlines()
    assert (
        "conflict: deepseek deepseek-v3.2 with litellm deepseek-v3.2: input_tokens 0.2288 against 0.28; output_tokens 0.3432 against 0.4"
        in remarks
    )
    assert "no price: openai moderation" in remarks
