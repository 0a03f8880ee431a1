"""The cases are fit to be published: nothing in them tells of the machine that captured them."""

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from scripts.import_conformance import CASES, FORBIDDEN, KEPT, cleaned, corrected, import_case

REQUEST = ExportTraceServiceRequest()
ATTRIBUTES = {"host.id": "3f" * 16, "host.name": "vm", "os.version": "6.18.44-x", "service.name": "bot"}
REQUEST.resource_spans.add().resource.attributes.extend(
    KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in ATTRIBUTES.items()
)


def test_no_file_of_any_case_names_a_machine() -> None:
    files = [path for path in CASES.rglob("*") if path.is_file()]
    assert len(files) > 700
    for path in files:
        data = path.read_bytes()
        assert KEPT.fullmatch(path.name), path
        assert not FORBIDDEN.search(data), path
        assert cleaned(data) == data, path


def test_cleaning_overwrites_the_machine_and_nothing_else() -> None:
    seen = ExportTraceServiceRequest.FromString(cleaned(REQUEST.SerializeToString())).resource_spans[0].resource
    assert {each.key: each.value.string_value for each in seen.attributes} == ATTRIBUTES | {"host.id": "0" * 32, "os.version": "0" * 9}
    text = b'{"key":"host.id","value":{"stringValue":"' + b"3f" * 16 + b'"}}'
    assert cleaned(text) == text.replace(b"3f", b"00")


@pytest.mark.parametrize("text", ["/home/ada/app.py", "/mnt/disk/x", "https://registry.npmjs.org/zod"])
def test_a_case_with_a_local_path_is_refused(text: str, tmp_path: Path) -> None:
    case = tmp_path / "family" / "scenario"
    case.mkdir(parents=True)
    (case / "expected.json").write_text("{}")
    (case / "0001.logs.pb").write_bytes(b"left out")
    assert import_case(case, tmp_path / "ok") == 1
    assert [path.name for path in (tmp_path / "ok").iterdir()] == ["expected.json"]
    (case / "0001.traces.pb").write_bytes(b"\x12\x08" + text.encode())
    with pytest.raises(ValueError, match=r"family/scenario/0001.traces.pb names"):
        import_case(case, tmp_path / "bad")


def test_only_the_listed_fields_are_corrected() -> None:
    truth = b'{"calls": [{"cost_usd": "1", "session": "s", "user": null}]}'
    assert json.loads(corrected("autogen/agent_alone", truth))["calls"] == [{"cost_usd": None, "session": "s", "user": None}]
    assert json.loads(corrected("mlflow/chat", truth))["calls"] == [{"cost_usd": "1", "session": None, "user": None}]


def test_a_truth_that_needs_no_correction_is_copied_byte_for_byte() -> None:
    truth = b'{ "calls": [ {"cost_usd":"1"} ] }'
    assert corrected("any/case", truth) == truth
