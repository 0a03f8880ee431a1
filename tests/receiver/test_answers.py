import json

from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger.receiver.admission import JOURNAL, MALFORMED, TOO_LARGE, Refused
from spanledger.receiver.answers import Accepted, accepted_json, accepted_protobuf, status_json, status_of


def test_full_success_is_an_empty_message() -> None:
    assert accepted_protobuf(Accepted()) == b""
    assert accepted_json(Accepted()) == b"{}"


def test_a_warning_rejects_nothing_and_a_rejection_counts() -> None:
    for rejected in (0, 7):
        accepted = Accepted(rejected, "some spans")
        partial = ExportTraceServiceResponse.FromString(accepted_protobuf(accepted)).partial_success
        assert (partial.rejected_spans, partial.error_message) == (rejected, "some spans")
    assert json.loads(accepted_json(Accepted(0, "x"))) == {"partialSuccess": {"errorMessage": "x"}}
    assert json.loads(accepted_json(Accepted(7, "x"))) == {"partialSuccess": {"errorMessage": "x", "rejectedSpans": "7"}}


def test_a_retryable_refusal_says_when() -> None:
    status = status_of(Refused(JOURNAL, "later"), 9)
    info = RetryInfo()
    assert status.code == 14
    assert status.details[0].Unpack(info)
    assert info.retry_delay.seconds == 9
    assert json.loads(status_json(status)) == {
        "code": 14,
        "message": "later",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "9s"}],
    }


def test_a_bad_body_is_named_and_any_other_refusal_has_no_details() -> None:
    violations = [{"field": "body", "description": "not JSON"}]
    shown = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    assert json.loads(status_json(status_of(Refused(MALFORMED, "not JSON"), 9)))["details"] == [shown]
    assert json.loads(status_json(status_of(Refused(TOO_LARGE, "too large"), 9))) == {"code": 8, "message": "too large"}


def test_a_detail_of_another_kind_is_shown_as_bytes() -> None:
    status = Status(code=3, message="x")
    status.details.add(type_url="type.googleapis.com/other", value=b"\x00\x01")
    assert json.loads(status_json(status))["details"] == [{"@type": "type.googleapis.com/other", "value": "AAE="}]
    assert not status.details[0].Is(BadRequest.DESCRIPTOR)
