"""Writes the tables of docs/conformance.md: what was captured, how spanledger does on it, and what the bytes cannot tell.

    python -m scripts.conformance_table [--check]

Runs every case of tests/conformance. --check only compares and exits 1 where the page is out of date; a test does the same.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conformance.judge import COUNTS, Verdict, judge
from tests.conformance.road import book, case_names, expected, net_events, requests

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance.md"
BEGIN, END = "<!-- written by scripts/conformance_table.py -->\n", "<!-- end of what is written -->"

_PLUMBING = re.compile(
    r"opentelemetry-(sdk|api|exporter|semantic|util|processor).*|@opentelemetry/(sdk|api|core|resources).*|genai-prices|.*-semantic-conventions"
    r"|@ai-sdk/(gateway|provider.*|react|ui-utils)|@langchain/(langgraph-.*|protocol)|@arizeai/openinference-(core|genai)"
    r"|@(genkit-ai|langfuse)/(ai|core|firebase|google-cloud)|@openai/agents-.*|@traceloop/(ai-.*|instrumentation-(?!openai|anthropic|langchain).*)"
)
"""Packages that came along and say nothing of who instruments what."""


class Family(NamedTuple):
    """The cases of one framework or pair of them."""

    name: str
    versions: list[str]
    scopes: list[str]
    cases: int
    verdict: Verdict
    calls: list[dict[str, Any]]


VerdictOf = Callable[[str], Verdict]


def run(name: str) -> Verdict:
    """Run one case in a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        book(Path(folder), requests(name))
        return judge(net_events(Path(folder)), expected(name))


def families(verdict_of: VerdictOf) -> list[Family]:
    """All cases by family, judged."""
    names: dict[str, list[str]] = {}
    for name in case_names():
        names.setdefault(name.split("/")[0], []).append(name)
    return [_family(family, cases, verdict_of) for family, cases in names.items()]


def _family(family: str, names: Sequence[str], verdict_of: VerdictOf) -> Family:
    truths = [expected(name) for name in names]
    return Family(
        family,
        _versions(truths),
        sorted({scope for name in names for scope in _scopes(name)}),
        len(names),
        reduce(Verdict.plus, map(verdict_of, names)),
        [call for truth in truths for call in truth["calls"]],
    )


def _versions(truths: Iterable[dict[str, Any]]) -> list[str]:
    found: dict[str, set[str]] = {}
    for truth in truths:
        for package, version in truth["versions"].items():
            found.setdefault(package, set()).add(version)
    telling = [package for package in sorted(found) if not _PLUMBING.fullmatch(package)]
    return [f"{package} {'/'.join(sorted(found[package]))}" for package in telling or ["opentelemetry-sdk"]]


def _scopes(name: str) -> Iterable[str]:
    """The instrumentation scopes of a case, as `name version`."""
    for body in requests(name):
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                yield f"{scope_spans.scope.name} {scope_spans.scope.version}".strip()


def results(found: Sequence[Family]) -> list[str]:
    """The table of results, a row a family."""
    total = reduce(Verdict.plus, (family.verdict for family in found))
    return [
        "| Family | Packages | Cases | Calls exact | Left over | Payers right | Costs right |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        *(f"| {each.name} | {', '.join(each.versions)} | {each.cases} | {_figures(each.verdict)} |" for each in found),
        f"| **all {len(found)}** | | **{sum(each.cases for each in found)}** | {_figures(total)} |",
    ]


def _figures(verdict: Verdict) -> str:
    return f"{verdict.exact}/{verdict.calls} | {verdict.left_over} | {verdict.payer}/{verdict.payer_of} | {verdict.cost}/{verdict.cost_of}"


def untold(found: Sequence[Family]) -> list[str]:
    """The table of what is on the wire nowhere, for the families of which some is missing."""
    rows = ["| Family | Calls without usage | Counts missing on others | No tenant |", "| --- | ---: | --- | ---: |"]
    for family in found:
        silent = sum(bool(call.get("true")) for call in family.calls)
        told = [call for call in family.calls if call["metered"]]
        missing = {key: sum(call[key] is None and _may_have(call, key) for call in told) for key in COUNTS}
        nobody = sum(not call["tenant"] for call in told)
        gaps = ", ".join(f"{key.removesuffix('_tokens').replace('_', ' ')} {count}" for key, count in missing.items() if count)
        if silent or gaps or nobody:
            rows.append(f"| {family.name} | {silent or ''} | {gaps} | {nobody or ''} |")
    return rows


def _may_have(call: dict[str, Any], key: str) -> bool:
    """Whether the provider counts such a thing at all: 1-hour cache writes are Claude's."""
    return key != "cache_write_1h_tokens" or (
        "claude" in str(call["response_model"] or call["request_model"]) and call["cache_write_tokens"] != 0
    )


def scopes(found: Sequence[Family]) -> list[str]:
    """The instrumentation scopes on the wire, a row a family."""
    rows = ["| Family | Instrumentation scopes on the wire |", "| --- | --- |"]
    return rows + [f"| {each.name} | {', '.join(f'`{scope}`' for scope in each.scopes if scope)} |" for each in found]


def tables(verdict_of: VerdictOf) -> str:
    """What stands between the marks of the page."""
    found = families(verdict_of)
    parts = (
        results(found),
        ["### What the bytes cannot tell", "", *untold(found)],
        ["### Who speaks", "", *scopes(found)],
    )
    return "\n" + "\n\n".join("\n".join(part) for part in parts) + "\n\n"


def page_with(page: str, text: str) -> str:
    """The page with `text` between its marks. ValueError if they are missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{PAGE.name} has lost its marks")
    return page[: page.index(BEGIN) + len(BEGIN)] + text + page[page.index(END) :]


def main(args: Sequence[str], verdict_of: VerdictOf = run, path: Path = PAGE) -> int:
    """Write the page, or compare it."""
    before = path.read_text("utf-8")
    after = page_with(before, tables(verdict_of))
    if "--check" in args:
        print("up to date" if before == after else f"{path.name} is out of date: run python -m scripts.conformance_table")
        return 0 if before == after else 1
    path.write_text(after, "utf-8")
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
