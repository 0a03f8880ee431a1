"""What one call costs in time: spanledger's catalog and price book, genai-prices and LiteLLM on the same calls in the same run.

    python benchmarks/price.py [--rounds 9] [--litellm FOLDER] [--json]

Each round prices the same mix of calls (chat, cached, batch, long context, cache writes) with each of them in turn; the best round counts,
because machines drift, and the ratios to the catalog are printed, which drift less. LiteLLM is timed where it can be imported, or from
FOLDER, where it was installed (`pip install --target FOLDER litellm`); else the row says why not.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from spanledger.enrich.catalog.load import load
from spanledger.enrich.price import Catalog
from spanledger.enrich.price_book import PriceBook
from spanledger.enrich.records import Call, Usage
from spanledger.enrich.terms import Terms

AT_NS = 1_795_176_000 * 10**9
CALLS = [
    Call("bench", provider=provider, request_model=model, response_model=model, usage=usage, service_tier=tier)
    for provider, model, usage, tier in (
        ("openai", "gpt-5", Usage(1744, 1376), None),
        ("openai", "gpt-5", Usage(1744, 1376, 512, 0, None, None, 669), None),
        ("openai", "gpt-4o-mini", Usage(210, 40, 0, 0, 0, 0, 0), None),
        ("anthropic", "claude-sonnet-4-5", Usage(5600, 50, 4000), None),
        ("anthropic", "claude-sonnet-4-5", Usage(5600, 50, 4000, 600, 400, 200), None),
        ("gcp.gemini", "gemini-2.5-pro", Usage(250_000, 1000, 150_000), None),
        ("openai", "gpt-4o", Usage(2000, 100), "batch"),
        ("mistral_ai", "mistral-medium-2508", Usage(900, 120), None),
    )
]
TERMS = """
[[contracts]]
name = "bench"
provider = "openai"
discount = "7.5"
[[customers]]
name = "everyone"
markup = "20"
"""
GENAI = {"gcp.gemini": "google", "mistral_ai": "mistral"}


def ours() -> dict[str, Callable[[], None]]:
    """The catalog alone, a book alone, and a book with terms: contract and customer price of every call."""
    file = load()
    catalog, plain, agreed = Catalog(file), PriceBook(file), PriceBook(file, (), Terms.from_toml(TERMS))
    return {
        "catalog": lambda: _all(lambda call: catalog.price(call, AT_NS)),
        "book": lambda: _all(lambda call: plain.price(call, AT_NS, "acme")),
        "book with terms": lambda: _all(lambda call: agreed.price(call, AT_NS, "acme")),
        "nothing (the loop)": lambda: _all(lambda call: call),
    }


def _all(price: Callable[[Call], object]) -> None:
    for call in CALLS:
        price(call)


def genai() -> Callable[[], None]:
    """genai-prices on the calls it knows, standard tier. Raises ImportError."""
    from genai_prices import Usage as GenaiUsage
    from genai_prices import calc_price

    when = datetime.fromtimestamp(AT_NS // 10**9, UTC)
    said = []
    for call in CALLS:
        usage = call.usage
        assert usage is not None
        counts = {name: getattr(usage, name) for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")}
        said.append((GenaiUsage(**{name: count for name, count in counts.items() if count}), call.request_model, call.provider or ""))

    def price() -> None:
        for usage, model, provider in said:
            calc_price(usage, model_ref=model or "", provider_id=GENAI.get(provider, provider), genai_request_timestamp=when)

    price()
    return price


def litellm(folder: str | None) -> Callable[[], None]:
    """LiteLLM's cost of tokens, by its own map and without the network. Raises ImportError."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    if folder:
        sys.path.append(folder)
    package = importlib.import_module("litellm")
    names = {"gcp.gemini": "gemini/", "mistral_ai": "mistral/"}
    said = []
    for call in CALLS:
        usage = call.usage
        assert usage is not None
        one = {"model": names.get(call.provider or "", "") + (call.request_model or ""), "prompt_tokens": usage.input_tokens}
        one |= {"completion_tokens": usage.output_tokens, "cache_read_input_tokens": usage.cache_read_tokens or 0}
        try:
            package.cost_per_token(**one)
        except Exception as error:  # noqa: BLE001 - whatever it raises for a model it does not know
            print(f"litellm leaves out {one['model']}: {type(error).__name__}", file=sys.stderr)
            continue
        said.append(one)

    def price() -> None:
        for n in range(len(CALLS)):
            package.cost_per_token(**said[n % len(said)])

    return price


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--litellm", metavar="FOLDER")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    runs, why = ours(), {}
    for name, make in (("genai-prices", genai), ("litellm", lambda: litellm(options.litellm))):
        try:
            runs[name] = make()
        except ImportError as error:
            why[name] = f"not timed: {error}"
    best: dict[str, float] = {}
    gc.collect()
    gc.disable()
    for _ in range(options.rounds):
        for name, run in runs.items():
            repeats = 40 if name in ("genai-prices", "litellm") else 4000
            started = time.perf_counter()
            for _ in range(repeats):
                run()
            seconds = (time.perf_counter() - started) / repeats / len(CALLS)
            best[name] = min(best.get(name, seconds), seconds)
    loop = best.pop("nothing (the loop)")
    figures: dict[str, object] = {name: round((seconds - loop) * 1e6, 2) for name, seconds in best.items()}
    catalog = best["catalog"] - loop
    figures |= {f"{name} / catalog": f"{(seconds - loop) / catalog:.1f} times" for name, seconds in best.items() if name != "catalog"}
    figures |= why
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:28} {value} {'us a call' if name in best else ''}" for name, value in figures.items())
    )


if __name__ == "__main__":
    main()
