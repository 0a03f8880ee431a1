"""An export to Azure Blob Storage, against Azurite (Microsoft's own stand-in), holds what a folder gets, and shows no key.

Azurite is a package of Node's, kept in a cache outside the tree; without npm, or a package index, the test is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.fetched import cache_folder, made_once, run

from spanledger.store.export.every import SHAPES
from spanledger.store.export.export import Request, export
from spanledger.store.export.targets import ExportError, ObjectTarget, shown
from spanledger.store.ledger import Ledger
from tests.ports import free_port
from tests.store.object_stores import gets_what_a_folder_gets, running
from tests.store.samples import NOON, event

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, the same everywhere


@pytest.fixture(scope="module")
def program() -> Path:
    """Azurite's blob service, installed once on a machine."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    asked = [npm, "install", "--no-audit", "--no-fund", f"azurite@{VERSION}", "--prefix"]
    try:
        return made_once(cache_folder("azurite") / VERSION, lambda folder: run([*asked, folder])) / "node_modules/.bin/azurite-blob"
    except subprocess.CalledProcessError:
        pytest.skip("Azurite could not be installed: no package index?")


@pytest.fixture
def container(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a prefix of a container."""
    from pyarrow.fs import AzureFileSystem

    port = free_port()
    options = ["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]
    with running([program, *options, "--blobPort", str(port)], port, tmp_path):
        place = f"127.0.0.1:{port}"
        AzureFileSystem(
            ACCOUNT,
            account_key=KEY,
            blob_storage_authority=place,
            dfs_storage_authority=place,
            blob_storage_scheme="http",
            dfs_storage_scheme="http",
        ).create_dir("finance")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        yield f"az://finance/ledger?endpoint_override={place}&scheme=http"


def test_a_container_gets_what_a_folder_gets(container: str, tmp_path: Path) -> None:
    gets_what_a_folder_gets(container, tmp_path)


def test_no_key_is_shown(container: str, tmp_path: Path) -> None:
    elsewhere = container.replace("//finance/", "//nobodys/")
    with Ledger.open(tmp_path / "data") as ledger:
        ledger.commit([event(1)], [], position=1, open_position=0, booked_ns=NOON)
        with pytest.raises(ExportError, match="nobodys") as refused:
            export(ledger, ObjectTarget(elsewhere), Request(SHAPES["lines"], "parquet"), now_text="now")
        leases = ledger.metastore.connection.execute("SELECT name FROM leases").fetchall()
    assert KEY not in str(refused.value) + str(leases)
    assert "\n" not in str(refused.value)


def test_what_is_shown_of_an_address() -> None:
    assert shown("s3://id:secret@bucket/prefix/?scheme=http&x=y") == "s3://id@bucket/prefix"
    assert shown("gs://bucket/prefix") == "gs://bucket/prefix"
