"""What an API key may ask of a data folder on the command line: one stance for every command, applied in one place.

Without a key, whoever may read the files sees everything: the files are the guard then. With one, a command answers as a server would
answer the bearer: its rows only, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from spanledger.cli.errors import UserError

if TYPE_CHECKING:
    from spanledger.enrich.grants import Grant
    from spanledger.store.ledger import Ledger
    from spanledger.store.viewer import Viewer

VARIABLE: Final = "SPANLEDGER_KEY"
_PARAMETER: Final = "api_key"
_FOLDERS_OWN: Final = ("data", "config")
"""Paths that say which ledger is asked, and how it is set up."""


class Stance(Enum):
    """What a command shows, and so what a key must grant for it."""

    ROWS = "rows"
    """Rows of calls: a key of scope read or admin sees those of its account, or of the tenant it is bound to."""
    FOLDER = "folder"
    """The affairs of everybody, or changes to them: a key of scope admin, bound to no tenant."""
    NOTHING = "nothing"
    """Nothing of a data folder that is there already: keys do not matter."""
    SENDS = "sends"
    """It has an option for a key of its own, which goes to a server."""


STANCES: Final[Mapping[str, Stance]] = {
    **dict.fromkeys(("report", "top", "events", "changes", "explain", "tree", "sql", "doctor", "prove"), Stance.ROWS),
    **dict.fromkeys(("runs list", "runs show", "tenants list"), Stance.ROWS),
    **dict.fromkeys(("prices list", "prices models", "prices show", "prices history", "prices export", "prices lint"), Stance.ROWS),
    **dict.fromkeys(("prices import", "prices activate", "prices deactivate", "prices diff"), Stance.FOLDER),
    **dict.fromkeys(("serve", "reprice", "replay", "compact", "backup", "verify", "checkpoint", "export", "push"), Stance.FOLDER),
    "publish delta": Stance.FOLDER,
    **dict.fromkeys(("commitments list", "commitments book", "commitments undo"), Stance.FOLDER),
    **dict.fromkeys(("keys create", "keys list", "keys rotate", "keys revoke", "tenants set", "tenants import"), Stance.FOLDER),
    **dict.fromkeys(("forward status", "forward reset"), Stance.FOLDER),
    **dict.fromkeys(("dialects list", "dialects test", "config show", "config check"), Stance.NOTHING),
    **dict.fromkeys(("restore", "verify-proof", "demo", "health"), Stance.NOTHING),
    "ingest": Stance.SENDS,
}
"""Every command there is. One that is missing here does not load, so that none is forgotten."""

_GRANT: ContextVar[Grant | None] = ContextVar("grant", default=None)


class KeyRefused(UserError):  # noqa: N818 - it is what the user is told
    """The key given may not ask this. The text is the same whatever is wrong with a key, and never has the key in it."""


def guard(command: Any, path: str) -> Any:
    """The click command behind a path such as "runs list", or the group, with the option for a key and the check of it."""
    for name, sub in getattr(command, "commands", {}).items():
        guard(sub, f"{path} {name}")
    if hasattr(command, "commands"):
        return command
    stance = STANCES.get(path)
    if stance is None:
        raise RuntimeError(f"`spanledger {path}` has no stance in access.STANCES: say what a key must grant for it")
    if stance in (Stance.ROWS, Stance.FOLDER):
        taken = any("--key" in parameter.opts for parameter in command.params)  # verify and checkpoint have keys of other kinds
        command.params.append(_option("--api-key" if taken else "--key", stance))
        command.callback = _checked(command.callback, stance)
    return command


def _option(name: str, stance: Stance) -> Any:
    """The option as Typer makes it of a parameter: whose classes take what, depends on its version."""
    needed = "scope read: answers are of its account or tenant only" if stance is Stance.ROWS else "scope admin"
    text = f"Ask with an API key of {needed}. Without one, as the owner of the files."
    maker = typer.Typer(add_completion=False)

    @maker.command()
    def made(api_key: str | None = typer.Option(None, name, envvar=VARIABLE, metavar="SECRET", help=text, show_default=False)) -> None:
        """Only its parameter is used."""

    return next(each for each in typer.main.get_command(maker).params if each.name == _PARAMETER)


def _checked(callback: Callable[..., Any], stance: Stance) -> Callable[..., Any]:
    @wraps(callback)
    def with_key(**given: Any) -> Any:
        key = given.pop(_PARAMETER)
        if key is not None and stance is Stance.ROWS:
            _refuse_files(given)
        with asking(given["data"], key, stance):
            return callback(**given)

    return with_key


def _refuse_files(given: Mapping[str, Any]) -> None:
    """The bearer of a key asks through a command that another runs: files would be read and written as that other."""
    named = [name for name, value in given.items() if isinstance(value, Path) and name not in _FOLDERS_OWN]
    if named:
        raise KeyRefused(f"with an API key no file is named, and answers go to standard output: leave --{named[0].replace('_', '-')} out")


@contextmanager
def asking(data: Path, key: str | None, stance: Stance) -> Iterator[None]:
    """Whatever is asked within, is asked with this key (None: as the owner of the files). Raises KeyRefused."""
    if key is None and os.environ.get(VARIABLE) == "":
        raise KeyRefused(f"{VARIABLE} is set and empty: unset it to ask as the owner of the files")
    before = _GRANT.set(None if key is None else _granted(data, key, stance))
    try:
        yield
    finally:
        _GRANT.reset(before)


def _granted(data: Path, key: str, stance: Stance) -> Grant:
    grant = _find(data, key)
    if grant is None:
        raise KeyRefused("this API key is not valid for this data folder: it is unknown, revoked or has expired")
    if stance is Stance.ROWS and grant.scopes & {"read", "admin"}:
        return grant
    if stance is Stance.FOLDER and _is_admin(grant):
        return grant
    needed = "read" if stance is Stance.ROWS else "admin, bound to no tenant"
    raise KeyRefused(f"this API key may not do that: it takes one of scope {needed}")


def _find(data: Path, key: str) -> Grant | None:
    from spanledger.store.errors import LedgerNotFoundError
    from spanledger.store.keys import Keys
    from spanledger.store.metastore import Metastore

    try:
        keys = Keys(Metastore.open(data, read_only=True))
    except LedgerNotFoundError:
        return None
    try:
        return keys.find_key(key)
    finally:
        keys.close()


def _is_admin(grant: Grant) -> bool:
    return "admin" in grant.scopes and grant.tenant is None


def viewer() -> Viewer | None:
    """Whose rows may be shown; None: everybody's."""
    from spanledger.store.viewer import Viewer

    grant = _GRANT.get()
    return None if grant is None else Viewer(grant.authority, grant.tenant)


def sees_folder() -> bool:
    """Whether what is no row of anybody may be shown: price lists and agreements, who ran what and why, what waits to be read."""
    grant = _GRANT.get()
    return grant is None or _is_admin(grant)


def open_ledger(data: Path) -> Ledger:
    """The ledger of a data folder for a question, as the one who asks may see it."""
    from spanledger.store.ledger import Ledger

    return Ledger.open(data, read_only=True, viewer=viewer())
