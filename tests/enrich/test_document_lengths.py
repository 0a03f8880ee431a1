from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.config import EnrichConfig, rules_from
from spanledger.enrich.document_lengths import with_length
from spanledger.enrich.kept import kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Call
from spanledger.receiver.prune import Pruner
from tests.enrich.test_read import request_of, span_of

ON = rules_from(EnrichConfig.model_validate({"flags": {"retrieved_tokens": True}}))
OFF = rules_from(EnrichConfig())


def retriever(*documents: str) -> bytes:
    attributes: dict[str, Any] = {"openinference.span.kind": "RETRIEVER", "output.value": '{"documents": []}'}
    attributes |= {f"retrieval.documents.{n}.document.content": text for n, text in enumerate(documents)}
    request = ExportTraceServiceRequest.FromString(request_of(span_of(attributes, name="VectorStoreRetriever")))
    request.resource_spans[0].scope_spans[0].scope.name = "openinference.instrumentation.langchain"
    return request.SerializeToString()


def flags(request: bytes, rules: Any = ON) -> tuple[str, ...]:
    (reading,), _ = Reader(rules).read(request, authority="a", key_tenant=None, position=0, received_ns=0)
    assert (reading.kind, reading.call is not None) == ("retrieval", True)
    return reading.call.flags if reading.call else ()


@pytest.mark.parametrize("rules", [ON, OFF])
def test_the_lengths_of_documents_are_read_raw_and_pruned_where_configured(rules: Any) -> None:
    request = retriever("ä" * 300, "b" * 20)
    pruned = Pruner(kept_for(rules), b"s" * 32).prune(request)
    assert b"bbbb" not in pruned
    assert flags(request, rules) == flags(pruned, rules) == (("retrieved_characters:320",) if rules is ON else ())


def test_a_retrieval_without_documents_has_no_length() -> None:
    assert flags(retriever()) == ()


@pytest.mark.parametrize("text", ["pruned:", "pruned:x:y", "pruned:999999999999:y", 5, None])
def test_what_is_no_length_counts_nothing(text: object) -> None:
    assert with_length({"retrieval.documents.0.document.content": text}, Call("d")).flags == ()
