"""What a company has agreed: contracts with providers, names of its own for models, what its customers pay, and currencies.

Terms are written as TOML, checked at the edge (terms_config.py) and kept as canonical JSON, from which their id is hashed. They are
immutable: a change makes other terms with another id, and what was booked under the old ones can be looked up again.
"""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from typing import Final

from pydantic import ValidationError

from spanledger.enrich.catalog.rows import canonical_json
from spanledger.enrich.terms_config import TermsConfig

_BYTES_MAX: Final = 16 << 20


class TermsError(ValueError):
    """Terms that cannot be read; one line that says where and why."""


class Terms:
    """Checked terms. `config` is their content; `label` is for people and no part of the id."""

    def __init__(self, config: TermsConfig) -> None:
        self.config = config
        self.label = config.label
        self._text = canonical_json(config.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        hashed = canonical_json(config.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"label"}))
        self.terms_id = "tm1-" + sha256(hashed.encode()).hexdigest()[:16]

    @classmethod
    def from_toml(cls, text: str) -> Terms:
        """Terms as a company writes them. Raises TermsError."""
        try:
            terms = cls._checked(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise TermsError(f"not TOML: {error}") from error
        if mistake := next(terms.config.commitment_mistakes(), None):
            raise TermsError(mistake)
        return terms

    @classmethod
    def from_bytes(cls, data: bytes) -> Terms:
        """The inverse of `to_bytes`. Raises TermsError."""
        try:
            return cls._checked(json.loads(data[:_BYTES_MAX]))
        except ValueError as error:
            raise error if isinstance(error, TermsError) else TermsError(f"not terms: {error}") from error

    @classmethod
    def _checked(cls, said: object) -> Terms:
        try:
            return cls(TermsConfig.model_validate(said))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
            more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
            said_of = first["msg"].removeprefix("Value error, ")
            if first["type"] == "string_type":
                said_of = f'write it as text, in quotes: "{first["input"]}"'
            raise TermsError(f"{where}: {said_of}{more}" if where else f"{said_of}{more}") from error

    def to_bytes(self) -> bytes:
        """Canonical JSON, the same for the same terms."""
        return self._text.encode()
