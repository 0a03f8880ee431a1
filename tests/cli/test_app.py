"""The command as a whole: quick and light help, completion, one-line errors with the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from spanledger.cli.lazy import COMMANDS, load
from spanledger.cli.reference import plain
from tests.cli.runner import spanledger

HEAVY = ("duckdb", "pyarrow", "grpc", "aiohttp", "numpy", "opentelemetry", "google")


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["report", "--help"], ["keys", "create", "--help"], ["nonsense"]])
def test_nothing_heavy_is_imported_for_help(args: list[str]) -> None:
    code = (
        f"import sys; from spanledger.cli.app import run; run({args!r}); print('', *{{n.split('.')[0] for n in sys.modules}}, sep=chr(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.splitlines())


def test_completion_lists_commands_and_options_without_anything_heavy() -> None:
    code = "from spanledger.cli.app import main; import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    for typed, expected in (("spanledger re", "report"), ("spanledger report --ten", "--tenant")):
        words = {"_SPANLEDGER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | words, check=False)
        assert expected in done.stdout.splitlines()
        assert "duckdb" not in done.stderr.split()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str) -> None:
    answer = spanledger(name, "--help")
    assert answer.code == 0
    assert f"Usage: spanledger {name}" in answer.out
    command = load(name)
    for each in (command, *getattr(command, "commands", {}).values()):
        if not getattr(each, "commands", None):
            assert "Example" in each.help, f"{each.name} shows no example"
            assert f"spanledger {name}" in each.help


@pytest.mark.parametrize("name", COMMANDS)
def test_brackets_in_help_are_shown_and_not_taken_for_markup(name: str) -> None:
    command = load(name)
    for each in (command, *getattr(command, "commands", {}).values()):
        for text in (each.help or "", *(getattr(parameter, "help", None) or "" for parameter in each.params)):
            assert Text.from_markup(text.replace("\f", "")).plain == plain(text)


@pytest.mark.parametrize(("name", "text"), COMMANDS.items())
def test_the_one_line_help_is_the_first_line_of_the_commands_own(name: str, text: str) -> None:
    assert load(name).help.split(":")[0].splitlines()[0].rstrip(".") == text.split(":")[0].rstrip(".") or load(name).help.startswith(text)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["frobnicate"], 2, "spanledger: No such command 'frobnicate' (see `spanledger --help`)\n"),
        (["compac"], 2, "spanledger: No such command 'compac'. Did you mean 'compact'? (see `spanledger --help`)\n"),
        (["report", "--qqqqqqqqq"], 2, "spanledger: No such option: --qqqqqqqqq (see `spanledger report --help`)\n"),
        (["report", "--format", "xml"], 2, None),
        (["changes"], 2, "spanledger: Missing option '--since' (see `spanledger changes --help`)\n"),
        (["report", "--data", "/nonexistent/x"], 1, None),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(args: list[str], code: int, said: str | None) -> None:
    answer = spanledger(*args)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.count("\n") == 1
    assert said is None or answer.err == said


def test_a_folder_without_a_ledger(tmp_path: Path) -> None:
    for command in (["report"], ["events"], ["top"], ["doctor"], ["explain", "00"], ["sql", "SELECT 1"], ["tree", "00"]):
        answer = spanledger(*command, "--data", tmp_path)
        assert answer.code == 1
        assert answer.err == f"spanledger: there is no ledger in {tmp_path}: no meta.sqlite\n"


def test_debug_shows_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_DEBUG", "1")
    with pytest.raises(Exception, match="there is no ledger"):
        spanledger("report", "--data", tmp_path)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m spanledger.cli prices list | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_version() -> None:
    assert spanledger("--version").out.startswith("spanledger 0.")
