"""The official validator of FOCUS 1.2 finds nothing wrong with our rows but what it asks where it does not apply.

It needs Python 3.12 and an older Arrow, so it gets a virtual environment of its own, kept outside the tree; without such a Python, or a
package index, the test is skipped and tests/store/test_focus_check.py stands for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from scripts.fetched import cache_folder, made_once, run

from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import FolderTarget
from tests.store.focus_ledger import every_kind, ledger_of

VERSION = "2.2.1"
PACKAGES = (f"focus-validator=={VERSION}", "pyarrow<22")  # it does not bound Arrow, and breaks with the newest

KNOWN = {
    "InvoiceId-C-005-C": "an invoice's id is not known to spans; it is one of two ways of which the other is kept",
    "EffectiveCost-C-005-C": "asked of every purchase, though it is of those for future use; a shortfall is of past use",
}
OF_EVERYTHING = KNOWN | {
    f"{status}Status-C-00{number}-C": f"asked of rows whose {status}Id is NULL, though it is for those where it is not"
    for status in ("CapacityReservation", "CommitmentDiscount")
    for number in (0, 2, 4)
}
OF_EVERYTHING |= dict.fromkeys(("EffectiveCost-C-000-M", "CostAndUsage-D-000-M", "CostAndUsage-D-002-M"), "made of those above")


def python_312() -> Iterator[Path]:
    """Where a Python 3.12 may be."""
    if found := shutil.which("python3.12"):
        yield Path(found)
    yield from sorted((Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob("3.12*/bin/python3.12"))


@pytest.fixture(scope="module")
def validator() -> Path:
    """The validator's program, installed once on a machine."""
    wanted = [path for path in python_312() if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0]
    if not wanted:
        pytest.skip("no Python 3.12 here, which the validator needs")

    def install(folder: Path) -> None:
        run([wanted[0], "-m", "venv", folder])
        run([folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES])

    try:
        return made_once(cache_folder("focus-validator") / VERSION, install) / "bin/focus-validator"
    except subprocess.CalledProcessError:
        pytest.skip("the validator could not be installed: no package index?")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with a row of every kind."""
    folder = tmp_path_factory.mktemp("focus")
    with ledger_of(folder / "data", every_kind()) as ledger:
        export(ledger, FolderTarget(folder / "out"), Request(SHAPES["focus"], "parquet"), now_text="now")
    with duckdb.connect() as connection:
        files = f"read_parquet('{folder}/out/focus/event_date=*/*.parquet', hive_partitioning = false)"
        connection.execute(f"COPY (SELECT * FROM {files}) TO '{folder}/focus.parquet'")
        connection.execute(f"COPY (SELECT * REPLACE (NULL::VARCHAR AS ChargeCategory) FROM {files}) TO '{folder}/broken.parquet'")
    return folder / "focus.parquet"


def failures(validator: Path, rows: Path, *options: str) -> set[str]:
    """The rules that it says are broken. It reads a list of currencies from below the folder it runs in."""
    home = next((validator.parents[1] / "lib").glob("python3*/site-packages"))
    asked = [validator.parents[1] / "bin/python", validator, "--data-file", rows, "--validate-version", "1.2", "--block-download", *options]
    said = subprocess.run(asked, cwd=home, capture_output=True, text=True, check=False).stdout
    assert said.count("PASS") > 100, said[-2000:]
    return set(re.findall(r"^- ([\w-]+): violations=", said, re.MULTILINE))


def test_the_official_validator_finds_what_is_known(validator: Path, rows: Path) -> None:
    assert failures(validator, rows) == set(KNOWN)


def test_with_every_rule_applied_too(validator: Path, rows: Path) -> None:
    assert failures(validator, rows, "--applicability-criteria", "ALL") == set(OF_EVERYTHING)


def test_it_does_notice_a_broken_row(validator: Path, rows: Path) -> None:
    """The control: without ChargeCategory."""
    assert "ChargeCategory-C-002-M" in failures(validator, rows.with_name("broken.parquet"))
