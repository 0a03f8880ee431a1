"""The bytes that go back: export responses and google.rpc.Status, in protobuf or in JSON, the same facts in both."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger.receiver.admission import MALFORMED, Refused


class Accepted(NamedTuple):
    """What is said about a request that was stored: how many spans were not (too many), and a warning or ""."""

    rejected_spans: int = 0
    warning: str = ""


def accepted_protobuf(accepted: Accepted) -> bytes:
    """A serialized ExportTraceServiceResponse; empty on full success, as the specification demands."""
    if not accepted.warning:
        return b""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = accepted.rejected_spans
    response.partial_success.error_message = accepted.warning
    return bytes(response.SerializeToString())


def accepted_json(accepted: Accepted) -> bytes:
    """The same in OTLP/JSON; 64-bit integers are strings there."""
    if not accepted.warning:
        return b"{}"
    partial: dict[str, str] = {"errorMessage": accepted.warning}
    if accepted.rejected_spans:
        partial["rejectedSpans"] = str(accepted.rejected_spans)
    return json.dumps({"partialSuccess": partial}).encode()


def status_of(refused: Refused, retry_after_seconds: int) -> Status:
    """The google.rpc.Status of a refusal: with RetryInfo when it is retryable, with BadRequest when the body is at fault."""
    status = Status(code=refused.refusal.grpc_code.value[0], message=refused.message)
    detail = AnyMessage()
    if refused.refusal.is_retryable:
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=retry_after_seconds)))
        status.details.append(detail)
    elif refused.refusal is MALFORMED:
        detail.Pack(BadRequest(field_violations=[BadRequest.FieldViolation(field="body", description=refused.message)]))
        status.details.append(detail)
    return status


def status_json(status: Status) -> bytes:
    """A Status as JSON; details as `@type` with the fields of the two messages that are used here."""
    details: list[dict[str, object]] = []
    for detail in status.details:
        shown: dict[str, object] = {"@type": detail.type_url}
        if detail.Is(RetryInfo.DESCRIPTOR):
            shown["retryDelay"] = f"{RetryInfo.FromString(detail.value).retry_delay.seconds}s"
        elif detail.Is(BadRequest.DESCRIPTOR):
            violations = BadRequest.FromString(detail.value).field_violations
            shown["fieldViolations"] = [{"field": each.field, "description": each.description} for each in violations]
        else:
            shown["value"] = base64.b64encode(detail.value).decode()
        details.append(shown)
    return json.dumps({"code": status.code, "message": status.message, **({"details": details} if details else {})}).encode()
