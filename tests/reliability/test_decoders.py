"""Fuzzed bytes at every decoder: each takes what it is given or says in one of its own errors that it does not; nothing else comes out.

Bytes are drawn by hypothesis: any at all, and good inputs with damage, which get further. `--hypothesis-seed` shows a failure again.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.cli.config import load_config
from spanledger.cli.errors import UserError
from spanledger.cli.price_files import read_prices
from spanledger.enrich.catalog.load import CatalogError, pack, unpack
from spanledger.enrich.config import EnrichConfig, rules_from
from spanledger.enrich.kept import kept_for
from spanledger.enrich.read import Reader
from spanledger.receiver import frames
from spanledger.receiver.errors import MalformedRequest, TooLarge
from spanledger.receiver.frames import DamagedFrameError, Record
from spanledger.receiver.inflate import gunzip
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from spanledger.store.checkpoints import read_note
from spanledger.store.errors import ChainError
from spanledger.store.proofs import read_proof, verify_proof
from tests.receiver.samples import make_request, make_span
from tests.receiver.wire import to_json

EXAMPLES = int(os.environ.get("SPANLEDGER_FUZZ_EXAMPLES", "150"))
RULES = rules_from(EnrichConfig())
READER = Reader(RULES)
PRUNER = Pruner(kept_for(RULES), b"secret")
_VALUES: dict[str, object] = {"gen_ai.usage.input_tokens": 5, "list": [1, "a", {"k": [None]}], "b": b"\xff"}
REQUEST = make_request(
    make_span("chat gpt-4o", {"gen_ai.request.model": "gpt-4o", **_VALUES}),
    make_span("execute_tool x", {"metadata": '{"tokens": 5}', "tenant.id": "acme"}, number=1),
)
BODY = REQUEST.SerializeToString()
JSON_BODY = to_json(REQUEST)
RECORD = Record("acme", "team", "key", 7, BODY)


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A good input with a few bytes changed, cut out, doubled or put in."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "double", "insert"])):
            case "flip" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 40))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case _:
                data[at:at] = draw(st.binary(max_size=12))
    return bytes(data)


def prune(data: bytes) -> None:
    """What pruning lets through is pruned already, and can be read."""
    pruned = PRUNER.examine(data).request
    assert PRUNER.prune(pruned) == pruned
    READER.read(pruned, authority="a", key_tenant=None, position=0, received_ns=0)


def read_json(data: bytes) -> None:
    prune(to_protobuf(data))


def read_raw(data: bytes) -> None:
    """The reader on bytes that nobody pruned: a journal of another version, or with content kept."""
    READER.read(data, authority="a", key_tenant=None, position=0, received_ns=0)


def frame(data: bytes) -> None:
    frames.decode(memoryview(data), 0, 0)


def catalog(data: bytes) -> None:
    unpack(data)


def prices(suffix: str, kind: str | None = None) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / f"prices{suffix}"
            path.write_bytes(data)
            read_prices(path, kind)

    return read


def proof(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "proof.json"
        path.write_bytes(data)
        verify_proof(read_proof(path), CHECKPOINT)


def note(data: bytes) -> None:
    read_note(data.decode("utf-8", "replace"))


def configuration(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "config.toml"
        path.write_bytes(data)
        load_config(path)


def written_frame() -> bytes:
    head = frames.head_of(RECORD)
    return frames.outer_of(head, BODY, 0) + head + BODY


def zipped(data: bytes) -> None:
    gunzip(data, 1 << 20)


KEPT_FOLDER = next((Path(__file__).resolve().parents[1] / "data/folders").iterdir()) / "data"
NOTE = next((KEPT_FOLDER / "checkpoints").iterdir()).read_bytes()
CHECKPOINT = read_note(NOTE.decode())
PROOF = {"format": "spanledger proof 1", "record": "", "row": {}, "payer": {}, "batch": {"path": ["00"]}, "log": {"size": CHECKPOINT.size}}
CONFIG = b'[receiver]\nhttp = "127.0.0.1:0"\n[receiver.bounds]\nspans_max = 5\n[enrich.settle]\nquiet_seconds = 1.5\n'
CSV = b"provider,model,unit,amount,per\nopenai,odd-7b,input_tokens,0.15,1000000\nopenai,odd-7b,output_tokens,0.6,1000000\n"
TERMS = b"""[[contract]]\nprovider = "openai"\ndiscount = "0.1"\n[[customer]]\ntenant = "acme"\nmarkup = "0.2"\n"""
LITELLM = b'{"odd-7b": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}'
GENAI = b'[{"id": "openai", "models": [{"id": "odd-7b", "prices": {"input_mtok": 1}}]}]'
DECODERS: dict[str, tuple[Callable[[bytes], None], bytes, tuple[type[Exception], ...]]] = {
    "protobuf": (prune, BODY, (MalformedRequest,)),
    "json": (read_json, JSON_BODY, (MalformedRequest,)),
    "reader": (read_raw, BODY, (MalformedRequest,)),
    "gzip": (zipped, gzip.compress(BODY), (MalformedRequest, TooLarge)),
    "frame": (frame, written_frame(), (DamagedFrameError,)),
    "config": (configuration, CONFIG, (UserError,)),
    "catalog": (catalog, pack('{"catalog":1}', "x"), (CatalogError,)),
    "csv": (prices(".csv", "csv"), CSV, (UserError,)),
    "overlay": (prices(".toml", "toml"), b'[[price]]\nprovider = "openai"\nmodel = "odd-7b"\ninput_tokens = "1"\n', (UserError,)),
    "terms": (prices(".toml", "terms"), TERMS, (UserError,)),
    "litellm": (prices(".json", "litellm"), LITELLM, (UserError,)),
    "genai-prices": (
        prices(".json", "genai-prices"),
        GENAI,
        (UserError,),
    ),
    "proof": (proof, json.dumps(PROOF).encode(), (ChainError,)),
    "checkpoint": (note, NOTE, (ChainError,)),
}


@pytest.mark.parametrize("name", DECODERS)
def test_bytes_of_any_kind_are_taken_or_refused(name: str) -> None:
    decode, good, refusals = DECODERS[name]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=300), damaged(good)))
    def holds(data: bytes) -> None:
        try:
            decode(data)
        except refusals as error:
            assert "\n" not in str(error)  # noqa: PT017 - not to be raised, but fit for one line if it is

    with contextlib.suppress(*refusals):  # some of the good ones are only good up to a point, which damage then goes beyond
        decode(good)
    holds()


def test_a_decoder_that_fails_otherwise_is_seen() -> None:
    """The control: the stock JSON decoder in place of ours."""
    decode = json.loads

    @settings(max_examples=EXAMPLES, deadline=None, database=None, report_multiple_bugs=False)
    @given(damaged(JSON_BODY))
    def holds(data: bytes) -> None:
        with contextlib.suppress(MalformedRequest):
            decode(data)

    with pytest.raises(ValueError):  # noqa: PT011 - whatever it is called, it is none of ours
        holds()
