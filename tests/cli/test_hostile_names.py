"""Names that mean something to a path, SQL, a spreadsheet, a terminal or a browser, in every field that has a name: they stay text."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest

from spanledger.cli import errors, pages_html, render
from tests.cli.otlp import as_protobuf, attribute, chat, request, span
from tests.cli.runner import Answer, Server, server, spanledger
from tests.cli.test_watching import post

PATHS = ("../../escaped", "/etc/escaped", "a/b/../../../escaped", "C:\\escaped", "CON", "nul.txt", "a\x00b", "~/escaped", "x" * 1000)
SQL = ("x'; DROP TABLE entries; --", "x') UNION SELECT secret FROM keys --", "\"; ATTACH 'x' AS y; --", "/* x */", "$1", "%s", "{0}")
FORMULAS = ("=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", '=HYPERLINK("http://x")')
TERMINAL = (
    "\x1b[2J\x1b[31mred",
    "line\nbreak 2026-11-20 error fake",
    "a\rb",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "\x9b31m",
    "bell\x07",
    "\u2028",
)
MARKUP = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "| a | b |",
    "**b** `c`",
    "&lt;b&gt;",
)
HOSTILE = (*PATHS, *SQL, *FORMULAS, *TERMINAL, *MARKUP)

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
_DATE = r"event_date=\d{4}-\d\d-\d\d"
_OURS = re.compile(
    r"(meta\.sqlite(-wal|-shm)?|lock|secret|server\.lock|journal|journal/(\d{20}\.seg|durable)|chain|chain/[a-z0-9.-]+|tmp"
    rf"|(events|spans)(/{_DATE})?|(events|spans)(/{_DATE})?/[a-z0-9_-]+\.(parquet|ledger))"
)
FIELDS = {
    "user.id": "user",
    "session.id": "session",
    "workflow.name": "workflow",
    "gen_ai.agent.name": "agent",
    "feature.name": "feature",
    "deployment.environment.name": "environment",
    "gen_ai.provider.name": "provider",
    "gen_ai.response.id": "id",
    "error.type": "error",
}


def calls() -> Iterator[Any]:
    """A call for each hostile name, with the name in every field, and a tool of that name below it."""
    for number, name in enumerate(HOSTILE, start=1):
        fields = dict.fromkeys(FIELDS, name)
        yield chat(number, number, name, model=name, attributes=fields, name=name)
        yield span(number, 500 + number, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}, parent=number, name=name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "calls.pb").write_bytes(as_protobuf(*calls()))
    answer = spanledger("ingest", "--data", folder / "data", folder / "calls.pb")
    assert answer.code == 0, answer.err
    for name in HOSTILE[::3]:
        spanledger("keys", "create", "--data", folder / "data", "--tenant", name[:200], "--name", name[:200])
        spanledger("tenants", "set", name[:200], f"plan={name[:200]}", "--data", folder / "data")
    return folder / "data"


BY = ("tenant", "user", "session", "workflow", "agent", "feature", "environment", "service", "provider", "model", "tenant.plan")
QUESTIONS: tuple[tuple[str, ...], ...] = (
    *(("report", "--by", name) for name in BY),
    *(
        ("events",),
        ("events", "--all"),
        ("doctor",),
        ("keys", "list"),
        ("tenants", "list"),
        ("top", "--by", "model", "--since", "2020-01-01"),
    ),
    ("sql", "SELECT tenant_id, user_id, response_model, service FROM events"),
    ("sql", "SELECT tool_name, payers FROM spans"),
)


def answers(data: Path, form: str) -> Iterator[Answer]:
    for words in QUESTIONS:
        answer = spanledger(*words, "--data", data, "--format", form)
        assert answer.code == 0, answer.err
        yield answer


def tell(data: Path) -> Iterator[Answer]:
    """What is told without a format: explanations, trees, and errors that quote what was asked."""
    every = ("explain", "--since", "2020-01-01", "--limit", "1000", "--data", data)
    yield from (spanledger(*every, "--format", form) for form in ("text", "markdown"))
    for number in range(1, len(HOSTILE) + 1, 5):
        yield spanledger("tree", f"{number:032x}", "--data", data)
    for name in (*TERMINAL, *FORMULAS[4:6]):
        for words in (("explain", name), ("report", "--by", name), ("keys", "revoke", name)):
            yield spanledger(*words, "--data", data)


def moving(data: Path) -> Iterator[str]:
    """Lines with a character that moves the cursor, colours text, breaks the line or turns its order around."""
    said = chain(answers(data, "table"), answers(data, "markdown"), answers(data, "csv"), tell(data))
    return (line for answer in said for line in (answer.out + answer.err).split("\n") if _CONTROL.search(line))


def complaints(data: Path) -> Iterator[str]:
    """The same of errors alone."""
    return (line for answer in tell(data) for line in answer.err.split("\n") if _CONTROL.search(line))


def formulas(data: Path) -> list[str]:
    """Cells of CSV that a spreadsheet would run; numbers are none."""
    rows = [row for answer in answers(data, "csv") for row in csv.reader(io.StringIO(answer.out))]
    return [each for row in rows for each in row if _FORMULA.match(each) and not re.fullmatch(r"-?[0-9.]+", each)]


def live_markup(data: Path) -> list[str]:
    """Tags of ours and not of ours in pages about hostile tenants."""
    found = []
    for number in range(1 + len(HOSTILE) - len(MARKUP), len(HOSTILE) + 1):
        page = spanledger("explain", f"{number:032x}", "--data", data, "--format", "html").out
        assert page.startswith("<!")
        found += re.findall(r"<(?:img|script|iframe|a\s+href=.?javascript)[^>]*>", page, re.IGNORECASE)
    return found


def test_nothing_moves_the_cursor(data: Path) -> None:
    assert not [*moving(data)]


def test_nothing_is_a_formula(data: Path) -> None:
    assert formulas(data) == []


def test_nothing_is_a_tag(data: Path) -> None:
    assert live_markup(data) == []


def test_no_name_is_part_of_a_path(data: Path) -> None:
    names = [str(path.relative_to(data)) for path in data.rglob("*")]
    assert [name for name in names if not _OURS.fullmatch(name)] == []
    assert sorted(path.name for path in data.parent.iterdir()) == ["calls.pb", "data"]


def test_every_name_is_told_as_it_was_sent(data: Path) -> None:
    told = {row["tenant"] for row in spanledger("report", "--data", data, "--format", "jsonl").rows()}
    names = {name.strip() for name in HOSTILE if not name.startswith(("{", "["))} - {"", "x" * 1000}  # JSON, blanks and prose are no names
    assert names <= {str(name).strip() for name in told}
    assert spanledger("report", "--tenant", SQL[0], "--data", data, "--format", "jsonl").rows()[0]["calls"] == 1


def test_a_service_is_a_name_too(tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE, start=1):
        body = request(chat(number, number, "acme"), service=name)
        body["resourceSpans"][0]["resource"]["attributes"].append(attribute("service.version", name))
        (tmp_path / f"{number}.json").write_text(json.dumps(body))
    assert spanledger("ingest", "--data", tmp_path / "data", *sorted(tmp_path.glob("*.json"))).code == 0
    said = spanledger("report", "--by", "service", "--data", tmp_path / "data").out
    assert not [line for line in said.split("\n") if _CONTROL.search(line)]


def send_everything_hostile(running: Server) -> None:
    """Every name in every field, and in all that surrounds a request: path, type, encoding, key, agent; good requests and bad ones."""
    assert post(running, as_protobuf(*calls()), {"Content-Type": "application/x-protobuf"}) == 200
    with grpc.insecure_channel(running.grpc) as channel:
        for name in HOSTILE:
            quoted = "".join(char for char in name if " " <= char <= "~")
            plain = {"Content-Type": "application/json"}
            for headers in ({"Content-Type": quoted}, plain | {"Content-Encoding": quoted}, plain | {"Authorization": f"Bearer {quoted}"}):
                assert post(running, json.dumps({name: [name]}).encode()[:-1], headers | {"User-Agent": quoted}) in (400, 415)
            assert post(running, b"{}", plain, path=f"/{quote(name)}") == 404
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(f"/{quote(name)}/Export")(name.encode(), metadata=(("x-api-key", quoted),), timeout=10)
        with socket.create_connection((running.http.split(":")[0], int(running.http.split(":")[1])), timeout=10) as raw:
            raw.sendall(b"POST /v1/traces HTTP/1.1\r\n" + b"".join(name.encode("utf-8", "replace") + b"\r\n" for name in HOSTILE))
            assert raw.recv(64)


def quoted_in(said: str) -> list[str]:
    """The hostile names, and words that only they have, in a text."""
    words = ("escaped", "DROP", "UNION", "HYPERLINK", "evil", "fake", "onerror", "alert")
    return [name for name in (*HOSTILE, *words) if len(name) > 3 and name in said]


def test_a_name_in_the_log_would_be_seen() -> None:
    assert all(quoted_in(f"could not read {name}") for name in HOSTILE if len(name) > 3)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_name_reaches_the_log(tmp_path: Path, form: str) -> None:
    with server(tmp_path / "data", "--log-format", form, env={"SPANLEDGER_DEBUG": "1"}) as running:
        send_everything_hostile(running)
        running.wait_for_some(tmp_path / "data", len(HOSTILE))
        assert running.stop() == 0
        said = running.log.read_text()
    lines = said.splitlines()
    assert len(lines) >= 3
    assert quoted_in(said) == []
    assert not [line for line in lines if _CONTROL.search(line)]
    if form == "json":
        assert {frozenset(json.loads(line)) for line in lines} == {frozenset(("time", "level", "process", "logger", "message"))}


CONTROLS: tuple[tuple[Any, str, Any, Callable[[Path], Iterable[str]]], ...] = (
    (render, "visible", lambda text: text, moving),
    (errors, "_CONTROL", re.compile(r"(?!)"), complaints),
    (render, "_FORMULA", ("\x00",), formulas),
    (pages_html, "escape", lambda text, **_: text, live_markup),
)


@pytest.mark.parametrize(("module", "name", "off", "look"), CONTROLS, ids=[each[1] for each in CONTROLS])
def test_it_goes_red_without_its_guard(
    module: Any, name: str, off: Any, look: Callable[[Path], Iterable[str]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, off)
    assert any(look(data))
