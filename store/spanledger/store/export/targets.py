"""Where an export goes: a folder, or a prefix of an object store, behind the few operations that an atomic export needs.

A file appears whole or not at all: in a folder it is written beside, synced and renamed; an object store shows an object when its
upload is complete.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from spanledger.store.errors import StoreError
from spanledger.store.syncing import sync_folder

SCHEMES: Final = ("s3", "gs", "az", "abfs", "abfss", "gcs")
_ARROW_SCHEMES: Final = {"az": "abfs", "gcs": "gs"}
_UNFINISHED: Final = ".unfinished"
_CHUNK: Final = 1 << 20


class ExportError(StoreError):
    """An export cannot be made, or its target is not what it should be."""


class Target(Protocol):
    """A place for files, by relative paths with '/'."""

    name: str
    identity: str
    """Its name however it is written: two targets of one identity are one place."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""

    def names(self, folder: str) -> list[str]:
        """The names of the files right in a folder, in order; empty where there is no folder."""

    def write(self, path: str) -> Any:
        """A context manager with a binary file to write to; the file is there, durably, when the context ends without an error."""

    def remove(self, path: str) -> None:
        """Delete a file if it is there."""


class FolderTarget:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.name = str(root)
        self.identity = str(root.resolve())

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """The names of the files right in a folder, in order."""
        try:
            return sorted(
                entry.name for entry in os.scandir(self._root / folder) if entry.is_file() and not entry.name.endswith(_UNFINISHED)
            )
        except FileNotFoundError:
            return []

    @contextmanager
    def write(self, path: str) -> Iterator[Any]:
        """Write beside, sync, rename, sync the folder."""
        final = self._root / path
        _make_folder(final.parent)
        unfinished = final.with_name(f".{final.name}{_UNFINISHED}")  # a leading dot: readers of a whole folder pass over it
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.replace(final)
        sync_folder(final.parent)

    def remove(self, path: str) -> None:
        """Delete a file if it is there."""
        (self._root / path).unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durably."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


class ObjectTarget:
    """A prefix of an object store, through pyarrow's file systems: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob."""

    def __init__(self, url: str) -> None:
        from pyarrow import ArrowException
        from pyarrow.fs import FileSystem

        self.name = self.identity = shown(url)
        try:
            found: tuple[Any, str] = _azure(url) or FileSystem.from_uri(_as_arrow_has_it(url))
        except (ArrowException, OSError, ValueError) as error:
            raise ExportError(f"{self.name} cannot be used as a target: {_without_keys(url, _first_line(error))}") from error
        self._files, self._root = found[0], found[1].rstrip("/")

    def read(self, path: str) -> bytes | None:
        """An object's bytes, or None where there is none."""
        with _told(self.name):
            try:
                with self._files.open_input_stream(f"{self._root}/{path}") as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> list[str]:
        """The names of the objects right under a prefix, in order."""
        from pyarrow.fs import FileSelector, FileType

        with _told(self.name):
            found = self._files.get_file_info(FileSelector(f"{self._root}/{folder}", allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == FileType.File)

    @contextmanager
    def write(self, path: str) -> Iterator[Any]:
        """Make the file here, then upload it whole: an upload that is cut short would be taken for a finished one when it is closed."""
        with tempfile.TemporaryFile() as file:
            yield file
            file.flush()
            file.seek(0)
            with _told(self.name), self._files.open_output_stream(f"{self._root}/{path}") as stream:
                shutil.copyfileobj(file, stream, _CHUNK)

    def remove(self, path: str) -> None:
        """Delete an object if it is there."""
        with _told(self.name):
            try:
                self._files.delete_file(f"{self._root}/{path}")
            except FileNotFoundError:
                return


@contextmanager
def _told(name: str) -> Iterator[None]:
    """An object store's refusal in one line."""
    from pyarrow import ArrowException  # folders do without Arrow

    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ArrowException) as error:
        raise ExportError(f"{name}: {_first_line(error)}") from error


def _azure(url: str) -> tuple[Any, str] | None:
    """Azure Blob Storage by the account and key in the environment, which Arrow's addresses cannot name; None for all else.

    `AZURE_STORAGE_ACCOUNT` with `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN`, as Azure's own tools have it; without them Arrow
    looks for a managed identity and the like.
    """
    from pyarrow.fs import AzureFileSystem

    parts, told = urlsplit(url), os.environ
    account, key, token = (told.get(f"AZURE_STORAGE_{name}") for name in ("ACCOUNT", "KEY", "SAS_TOKEN"))
    if parts.scheme not in ("az", "abfs", "abfss") or "@" in parts.netloc or not account or not (key or token):
        return None
    asked = dict(parse_qsl(parts.query))
    place: dict[str, Any] = {}
    if "endpoint_override" in asked:
        scheme = asked.get("scheme", "https")
        place = {f"{kind}_storage_{what}": value for kind in ("blob", "dfs") for what, value in
                 (("authority", asked["endpoint_override"]), ("scheme", scheme))}  # fmt: skip
    return AzureFileSystem(account, account_key=key, sas_token=None if key else token, **place), f"{parts.netloc}{parts.path}"


def shown(url: str) -> str:
    """An address without what may be secret in it: an account's key before "@", and the query."""
    scheme, _, rest = url.split("?", 1)[0].partition("://")
    place, slash, path = rest.partition("/")
    account, at, host = place.rpartition("@")
    return f"{scheme}://{account.partition(':')[0]}{at}{host}{slash}{path}".rstrip("/")


def _without_keys(url: str, text: str) -> str:
    """A message about an address, as it may be shown: Arrow's may repeat what it was given."""
    return text.replace(_as_arrow_has_it(url), shown(url)).replace(url, shown(url))


def _as_arrow_has_it(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{_ARROW_SCHEMES.get(scheme, scheme)}://{rest}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def target_of(where: str) -> Target:
    """The target that `--to` names: DIR, file://DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX.

    An object store takes its credentials from where its own tools do; a query such as `?endpoint_override=localhost:9000&scheme=http`
    names another server.
    """
    scheme = urlsplit(where).scheme if "://" in where else ""
    if scheme in SCHEMES:
        if not urlsplit(where).netloc:
            raise ExportError(f"{shown(where)} cannot be used as a target: it names no bucket or container")
        return ObjectTarget(where)
    if scheme == "file":
        return FolderTarget(Path(urlsplit(where).path))
    if scheme:
        raise ExportError(f"{scheme}:// is no target: a folder, s3://, gs:// or az:// is")
    return FolderTarget(Path(where))
