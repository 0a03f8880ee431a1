"""Builds the shipped price catalog from pinned inputs: genai-prices, LiteLLM's model map and our overlay. Nothing is fetched.

    python scripts/build_catalog.py [--genai-prices WHEEL] [--litellm WHEEL] [--report FILE] [--check]

Without paths the packages of the dependency group `catalog` must be installed; LiteLLM's wheel is only read, never imported.
--check builds and compares with the shipped file, and exits 1 where they differ.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import zipfile
from pathlib import Path

from spanledger.enrich.catalog.importers import genai, litellm, overlay
from spanledger.enrich.catalog.load import SHIPPED, load, pack
from spanledger.enrich.catalog.merge import merge
from spanledger.enrich.catalog.rows import catalog_id, catalog_text

AS_OF = "2026-11-21"
"""The day the pinned inputs were current; a build does not look at the clock."""
OVERLAY = SHIPPED.with_name("overlay.toml")
MODEL_MAP = "litellm/model_prices_and_context_window_backup.json"


def main() -> int:
    """Build, write, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genai-prices", type=Path, help="wheel of genai-prices; default: the installed package")
    parser.add_argument("--litellm", type=Path, help="wheel of LiteLLM; default: the installed package")
    parser.add_argument("--report", type=Path, help="write conflicts and what was left out to this file")
    parser.add_argument("--check", action="store_true", help="only compare with the shipped catalog")
    arguments = parser.parse_args()
    text, label, log = build(arguments.genai_prices, arguments.litellm)
    if arguments.report:
        arguments.report.write_text("".join(f"{line}\n" for line in sorted(set(log))), encoding="utf-8")
    if arguments.check:
        same = load().id == catalog_id(text)
        print(f"{'same' if same else 'DIFFERENT'}: built {catalog_id(text)}, shipped {load().id}")
        return 0 if same else 1
    SHIPPED.write_bytes(pack(text, label))
    print(f"{catalog_id(text)} {label}: {text.count(chr(10))} entries, {SHIPPED.stat().st_size} bytes, {len(set(log))} remarks")
    return 0


def build(genai_wheel: Path | None, litellm_wheel: Path | None) -> tuple[str, str, list[str]]:
    """(canonical text, label, remarks) of the catalog made of the given or installed inputs."""
    if genai_wheel:
        sys.path.insert(0, str(genai_wheel))
    from genai_prices.data import providers
    from genai_prices.data_units import unit_data

    log: list[str] = []
    genai_source = f"genai-prices {_version('genai-prices', genai_wheel)}"
    litellm_source = f"litellm {_version('litellm', litellm_wheel)}"
    base = genai.entries(providers, unit_data, genai_source, log)
    entries = merge(base, litellm.read(_model_map(litellm_wheel), log), litellm_source, AS_OF, log)
    entries += overlay.read(OVERLAY.read_text(encoding="utf-8"))
    return catalog_text(entries), f"{AS_OF.replace('-', '.')}+{genai_source}+{litellm_source}".replace(" ", "-"), log


def _version(package: str, wheel: Path | None) -> str:
    return wheel.name.split("-")[1] if wheel else importlib.metadata.version(package)


def _model_map(wheel: Path | None) -> str:
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MODEL_MAP).decode()
    return Path(str(importlib.metadata.distribution("litellm").locate_file(MODEL_MAP))).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
