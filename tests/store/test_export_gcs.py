"""An export to Google Cloud Storage, against a stand-in of its interface on loopback, holds what a folder gets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.store.object_stores import gets_what_a_folder_gets, running


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """The address of a prefix of a bucket."""
    port = free_port()
    program = Path(sys.executable).with_name("gcp-storage-emulator")
    with running([program, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=finance"], port, tmp_path):
        yield f"gs://anonymous@finance/ledger?endpoint_override=127.0.0.1:{port}&scheme=http&retry_limit_seconds=20"


def test_a_bucket_gets_what_a_folder_gets(bucket: str, tmp_path: Path) -> None:
    gets_what_a_folder_gets(bucket, tmp_path)
