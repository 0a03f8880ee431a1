"""Somebody is on record for what is booked, also where the system has no name for its user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from spanledger.cli.person import person

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
NAMELESS = "import os; from spanledger.cli.person import person; os.setuid(54321); print(person())"


def test_who_is_named_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "keyboard")
    assert (person("ann"), person(), person("")) == ("ann", "keyboard", "keyboard")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_is_unknown() -> None:
    # nor may coverage follow there: that user may write nothing here
    env = {name: value for name, value in os.environ.items() if name not in NAMES and not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", NAMELESS], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("unknown\n", "")
