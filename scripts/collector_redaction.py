"""Writes the Collector's redaction out of the rules that pruning follows: every attribute that no rule reads is dropped.

`python scripts/collector_redaction.py > otel-config/redact.yaml`; with rules of one's own, `--config spanledger.toml`. A Collector cannot
take a JSON text apart, so keys whose JSON holds the model's answer beside its usage are dropped, too (`WITH_CONTENT`).
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from spanledger.cli.config import load_config
from spanledger.enrich.config import rules_from
from spanledger.enrich.dialects.dialect import all_refs
from spanledger.enrich.kept import kept_for
from spanledger.enrich.refs import split_ref
from spanledger.enrich.rules import Rules

WITH_CONTENT = frozenset(
    {
        "gen_ai.completion",
        "genkit:output",
        "haystack.agent.step.llm.output",
        "haystack.component.output",
        "langfuse.observation.output",
        "llm.invocation_parameters",
        "message",
        "mlflow.chunk.value",
        "mlflow.spanOutputs",
        "output.value",
        "traceloop.entity.output",
    }
)
"""JSON that holds content beside counts: only spanledger's own pruning can tell them apart."""

HEAD = """\
# Content redaction, made of spanledger's own rules by scripts/collector_redaction.py; do not edit. Give it beside another file:
#   otelcol --config agent.yaml --config redact.yaml
# Attributes that no rule reads are dropped, whatever they are called: prompts, answers, tool arguments, headers, keys.
# What is lost with them: usage that an emitter tells only inside of JSON with content (see README.md). Keys of your own (payers, meters)
# are added by `python scripts/collector_redaction.py --config spanledger.toml`.
processors:
  transform/redact:
    error_mode: propagate # what cannot be redacted is not sent
    trace_statements:
"""


def redaction(rules: Rules) -> str:
    """The configuration file."""
    kept = kept_for(rules)
    everything = (kept.text_keys | kept.json_keys.keys()) - WITH_CONTENT
    dialects = {split_ref(ref)[0] for dialect in rules.dialects for ref in all_refs(dialect)}
    statements = [
        *_context("resource", [_keep("resource.attributes", everything)]),
        *_context("scope", ['delete_matching_keys(scope.attributes, ".*")']),
        *_context("span", [_keep("span.attributes", everything), 'set(span.status.message, "")', 'set(span.trace_state, "")']),
        *_context("spanevent", [_keep("spanevent.attributes", everything & (dialects | {"exception.type"}))]),
    ]
    return HEAD + "\n".join(statements) + "\n"


def _context(name: str, statements: Iterable[str]) -> list[str]:
    lines = [f"      - context: {name}", "        statements:"]
    for statement in statements:
        lines.append("          - >-")
        lines += textwrap.wrap(statement, 150, initial_indent=" " * 12, subsequent_indent=" " * 12, break_on_hyphens=False)
    return lines


def _keep(attributes: str, keys: Iterable[str]) -> str:
    listed = ", ".join(f'"{key}"' for key in sorted(keys))
    return f"keep_keys({attributes}, [{listed}])"


def main() -> int:
    """Print the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="a spanledger.toml with rules of your own")
    sys.stdout.write(redaction(rules_from(load_config(parser.parse_args().config).config.enrich)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
