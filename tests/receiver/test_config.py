import pytest
from pydantic import ValidationError

from spanledger.receiver.config import Address, ReceiverConfig, exposure_problem, parse_address
from spanledger.receiver.prune import Bounds


def test_the_defaults_listen_on_this_machine_only() -> None:
    config = ReceiverConfig()
    assert config.addresses == (Address("127.0.0.1", 4317), Address("127.0.0.1", 4318))
    assert config.is_loopback_only
    assert config.request_bytes_max == 64 << 20
    assert (config.journal.segment_bytes, config.journal.retention_seconds) == (64 << 20, 400 * 86_400)
    assert config.journal.archive_bytes_max == 100 << 30
    assert config.bounds.bounds() == Bounds()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:4317", Address("::1", 4317)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),  # noqa: S104 - parsed, not bound
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert address.text == text


@pytest.mark.parametrize("text", ["4317", ":4317", "localhost", "localhost:", "localhost:65536", "localhost:-1", "localhost:http", ""])
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValidationError, match="is not host:port, as in"):
        ReceiverConfig(grpc=text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "[::1]"])
def test_without_keys_loopback_is_allowed(host: str) -> None:
    assert exposure_problem(ReceiverConfig(grpc=f"{host}:1", http=f"{host}:2"), has_keys=False) is None


@pytest.mark.parametrize("exposed", ["0.0.0.0:4317", "[::]:4317", "10.0.0.5:4317", "collector.internal:4317", "[::ffff:10.0.0.1]:1"])
@pytest.mark.parametrize("field", ["grpc", "http"])
def test_without_keys_nothing_else_is(field: str, exposed: str) -> None:
    config = ReceiverConfig(**{field: exposed})  # type: ignore[arg-type]
    problem = exposure_problem(config, has_keys=False)
    assert problem is not None
    assert exposed in problem
    assert "spanledger keys create" in problem
    assert "\n" not in problem
    assert exposure_problem(config, has_keys=True) is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"grpc": None, "http": None}, "nothing would listen"),
        ({"max_request_mib": 100, "max_in_flight_mib": 199}, "at least twice max_request_mib, 200"),
        ({"max_reqest_mib": 1}, "Extra inputs are not permitted"),
        ({"bounds": {"span_max": 1}}, "Extra inputs are not permitted"),
        ({"max_request_mib": 0}, "greater than or equal to 1"),
        ({"content": "drop"}, "'prune' or 'keep'"),
        ({"key_cache_seconds": 60}, "less than or equal to 5"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ReceiverConfig.model_validate(settings)


def test_every_setting_is_explained() -> None:
    for model in (ReceiverConfig, *(type(getattr(ReceiverConfig(), name)) for name in ("bounds", "journal"))):
        for name, field in model.model_fields.items():
            assert field.description or name in ("bounds", "journal"), name
