"""A stand-in for an LLM provider on loopback: OpenAI's chat completions, responses and embeddings, plain and streamed, and its charges.

Every call costs other numbers, so that two charges cannot be taken for one another.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Charge(NamedTuple):
    """What one call cost: inclusive totals, and the parts within them."""

    asked: str
    call: str
    model: str
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int


class Provider:
    """The book, and how each call is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.charges: list[Charge] = []
        self.elsewhere: list[str] = []
        self.guard = threading.Lock()

    def charge(self, call: str, request: dict[str, Any]) -> tuple[str, Charge]:
        """The next charge, and its response id."""
        with self.guard:
            number = len(self.charges) + 1
            output, reasoning = (0, 0) if call == "embeddings" else (100 + 7 * number, 10 + number)
            cached = 0 if call == "embeddings" else 256 + number
            charge = Charge(asked(request), call, request["model"], 1000 + 13 * number, cached, output, reasoning)
            self.charges.append(charge)
        return f"{call}-{number:04}", charge


def chat_usage(charge: Charge) -> dict[str, Any]:
    """Usage as chat completions tell it."""
    return {
        "prompt_tokens": charge.input_tokens,
        "completion_tokens": charge.output_tokens,
        "total_tokens": charge.input_tokens + charge.output_tokens,
        "prompt_tokens_details": {"cached_tokens": charge.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": charge.reasoning_tokens, "audio_tokens": 0},
    }


def response_usage(charge: Charge) -> dict[str, Any]:
    """Usage as responses tell it."""
    return {
        "input_tokens": charge.input_tokens,
        "output_tokens": charge.output_tokens,
        "total_tokens": charge.input_tokens + charge.output_tokens,
        "input_tokens_details": {"cached_tokens": charge.cache_read_tokens},
        "output_tokens_details": {"reasoning_tokens": charge.reasoning_tokens},
    }


def _required(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, kind) for name, kind in schema["properties"].items() if name in schema.get("required", ())]


def _argument(kind: dict[str, Any]) -> str | int | None:
    types = [each.get("type") for each in kind.get("anyOf", [kind])]
    types = [each for found in types for each in (found if isinstance(found, list) else [found])]
    if "null" in types:
        return None
    return "Find similar tickets" if "string" in types else 2


def asked(request: dict[str, Any]) -> str:
    """What the user last said."""
    said = request.get("messages") or request["input"]
    if isinstance(said, list):
        said = next(
            each["content"] if isinstance(each, dict) else each
            for each in reversed(said)
            if not isinstance(each, dict) or each.get("role") == "user"
        )
    return said if isinstance(said, str) else "".join(part["text"] for part in said)


def wanted_tool(request: dict[str, Any]) -> tuple[str, str] | None:
    """The first tool that is offered and what to ask of it, unless one has answered already."""
    messages = request.get("messages") or request.get("input") or []
    answered = any(each.get("role") == "tool" or each.get("type") == "function_call_output" for each in messages if isinstance(each, dict))
    tools = request.get("tools") or []
    if answered or not tools:
        return None
    tool = tools[0].get("function", tools[0])
    return str(tool["name"]), json.dumps({name: _argument(kind) for name, kind in _required(tool["parameters"])})


class Handler(http.server.BaseHTTPRequestHandler):
    """The HTTP of it."""

    protocol_version = "HTTP/1.1"
    provider: Provider

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """One call, or spans for some other backend, which are only noted."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = {"/v1/chat/completions": self.chat, "/v1/responses": self.respond, "/v1/embeddings": self.embeddings}.get(self.path)
        if answer is None:
            self.provider.elsewhere.append(self.path)
            self.reply(b"{}")
        else:
            answer(json.loads(body))

    do_GET = do_POST  # noqa: N815 - the name http.server asks for

    def reply(self, body: bytes, content_type: str = "application/json") -> None:
        """A whole answer."""
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events: Iterator[tuple[str | None, Any]]) -> None:
        """Server-sent events."""
        lines = [
            ("" if name is None else f"event: {name}\n") + f"data: {said if isinstance(said, str) else json.dumps(said)}\n\n"
            for name, said in events
        ]
        self.reply("".join(lines).encode(), "text/event-stream")

    def chat(self, request: dict[str, Any]) -> None:
        """Chat completions: usage comes in a stream only where `include_usage` asks for it."""
        number, charge = self.provider.charge("chat", request)
        tool = wanted_tool(request)
        message: dict[str, Any] = {"role": "assistant", "content": "42"}
        if tool is not None:
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"index": 0, "id": f"call_{number}", "type": "function", "function": {"name": tool[0], "arguments": tool[1]}}
                ],
            }
        head = {"id": f"chatcmpl-{number}", "created": 1_700_000_000, "model": charge.model}
        reason = "stop" if tool is None else "tool_calls"
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self.reply(json.dumps(head | {"object": "chat.completion", "choices": [choice], "usage": chat_usage(charge)}).encode())
            return
        chunk = head | {"object": "chat.completion.chunk"}
        parts = [{"index": 0, "delta": message, "finish_reason": None}, {"index": 0, "delta": {}, "finish_reason": reason}]
        events: list[tuple[str | None, Any]] = [(None, chunk | {"choices": [part]}) for part in parts]
        if (request.get("stream_options") or {}).get("include_usage"):
            events.append((None, chunk | {"choices": [], "usage": chat_usage(charge)}))
        self.stream(iter([*events, (None, "[DONE]")]))

    def respond(self, request: dict[str, Any]) -> None:
        """Responses."""
        number, charge = self.provider.charge("responses", request)
        tool = wanted_tool(request)
        text = {"type": "output_text", "text": "42", "annotations": [], "logprobs": []}
        item: dict[str, Any] = {"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
        if tool is not None:
            item = {
                "id": f"fc_{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{number}",
                "name": tool[0],
                "arguments": tool[1],
            }
        head = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": 1_700_000_000,
            "model": charge.model,
            "parallel_tool_calls": True,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "tool_choice": "auto",
            "tools": [],
            "temperature": 1.0,
            "top_p": 1.0,
        }
        done = head | {"status": "completed", "output": [item], "usage": response_usage(charge)}
        if not request.get("stream"):
            self.reply(json.dumps(done).encode())
            return
        at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": head | {"status": "in_progress", "output": [], "usage": None}},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": item | {"status": "in_progress"} | ({"content": []} if tool is None else {"arguments": ""}),
            },
        ]
        if tool is None:
            events += [
                {"type": "response.content_part.added", **at, "part": text | {"text": ""}},
                {"type": "response.output_text.delta", **at, "delta": "42", "logprobs": []},
                {"type": "response.output_text.done", **at, "text": "42", "logprobs": []},
            ]
        else:
            events.append({"type": "response.function_call_arguments.done", "item_id": item["id"], "output_index": 0, "arguments": tool[1]})
        events += [{"type": "response.output_item.done", "output_index": 0, "item": item}, {"type": "response.completed", "response": done}]
        self.stream((event["type"], event | {"sequence_number": number}) for number, event in enumerate(events))

    def embeddings(self, request: dict[str, Any]) -> None:
        """Embeddings."""
        _, charge = self.provider.charge("embeddings", request)
        vector: Any = [0.25, 0.5, 0.75] if request.get("encoding_format") != "base64" else "AACAPgAAAD8AAEA/"
        usage = {"prompt_tokens": charge.input_tokens, "total_tokens": charge.input_tokens}
        items = request["input"] if isinstance(request["input"], list) else [request["input"]]
        data = [{"object": "embedding", "index": place, "embedding": vector} for place in range(len(items))]
        self.reply(json.dumps({"object": "list", "data": data, "model": charge.model, "usage": usage}).encode())


@contextmanager
def provider() -> Iterator[Provider]:
    """A running provider; `url` is where its API begins."""
    made = Provider()
    handler = type("Bound", (Handler,), {"provider": made})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        made.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            listening.shutdown()
            thread.join()
