"""Brings captured cases into tests/conformance/cases: the trace requests, the truth, the packages and the gist of the program.

    python scripts/import_conformance.py SOURCE

SOURCE holds FAMILY/SCENARIO folders. Requests of logs and metrics are left out. What would tell of the capturing machine is overwritten
with zeros, as many as it had characters, so that nothing else on the wire changes (REPLACED says what). The import fails if a local path
or the host of a package registry is left anywhere; captured stack traces name files under /srv/app.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "tests" / "conformance" / "cases"

KEPT = re.compile(r"\d+\.traces\.(?:pb|json)|expected\.json|packages\.txt|script\.(?:py|mjs)")
"""Names of the files that a case consists of."""

_VALUE = rb'(?:\x12.\x0a.|",\s*"value":\s*\{"stringValue":\s*")'
"""What stands between the key of a text attribute and its value, in protobuf and in JSON."""

REPLACED = (
    re.compile(rb"(host\.id" + _VALUE + rb")([0-9a-f]{32})", re.DOTALL),
    re.compile(rb"(os\.version" + _VALUE + rb")([\w.-]+)", re.DOTALL),
)
"""Resource attributes of the capturing machine; their values are overwritten with zeros. No meter reads them."""

FORBIDDEN = re.compile(rb"/(?:home|root|Users|tmp|opt|mnt|var|work|workspace|usr/local)/|pythonhosted\.org|registry\.npmjs|npm\.pkg\.")
"""Local paths (captured ones must be under /srv/app) and registry hosts."""


def cleaned(data: bytes) -> bytes:
    """The bytes of a file without what tells of the machine; as long as before."""
    for pattern in REPLACED:
        data = pattern.sub(lambda found: found[1] + b"0" * len(found[2]), data)
    return data


CORRECTED = {
    "autogen/agent_alone": ("cost_usd",),
    "mlflow/chat": ("session", "user"),
}
"""Fields of the truth that no span carries, set to null: AutoGen alone names neither model nor provider, so no price can follow; MLflow's
session and user, as the case's own notes say (`how_tenant`), occur only as a traced function's arguments, which are content."""


def corrected(case: str, expected: bytes) -> bytes:
    """The truth as the wire can tell it: null for the fields of CORRECTED."""
    truth = json.loads(expected)
    for call in truth.get("calls", ()):
        call.update(dict.fromkeys(field for field in CORRECTED.get(case, ()) if call.get(field) is not None))
    return json.dumps(truth, indent=1, ensure_ascii=False).encode() if truth != json.loads(expected) else expected


def import_case(source: Path, target: Path) -> int:
    """Copy one case, replacing what was there before; the number of files. ValueError names a file that must not be published."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names = sorted(path.name for path in source.iterdir() if KEPT.fullmatch(path.name))
    for name in names:
        data = cleaned((source / name).read_bytes())
        if name == "expected.json":
            data = corrected(f"{source.parent.name}/{source.name}", data)
        if found := FORBIDDEN.search(data):
            raise ValueError(f"{source.parent.name}/{source.name}/{name} names {found[0].decode()}")
        (target / name).write_bytes(data)
    return len(names)


def main() -> int:
    """Import every case of a folder."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    cases = sorted(path.parent for path in Path(sys.argv[1]).glob("*/*/expected.json"))
    files = sum(import_case(case, CASES / case.parent.name / case.name) for case in cases)
    print(f"{len(cases)} cases, {files} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
