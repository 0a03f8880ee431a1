"""Whether two model names are of one family: snapshots and aliases of a model are, a smaller sibling or an older version is not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from spanledger.enrich.providers import plain_model, provider_of_model

_WORD: Final = re.compile(r"[a-z0-9.]+")
_DATE: Final = re.compile(r"20\d{2}-\d{2}-\d{2}|20\d{6}|(?<=-)\d{2}-\d{2,4}$|(?<=-)\d{3,4}$")
_ALIASES: Final = frozenset({"latest", "preview", "exp", "experimental", "beta"})


@lru_cache(maxsize=4096)
def family(model: str) -> tuple[frozenset[str], str] | None:
    """(words, digits of the version) of a model's name; None for one that no known maker uses (a deployment, a router)."""
    plain = plain_model(model)
    if provider_of_model(plain) is None:
        return None
    undated = _DATE.sub("", "-".join(token for token in _WORD.findall(plain) if token not in _ALIASES))
    tokens = _WORD.findall(undated)
    # The digits alone: makers and resellers write one version as 3.5, 3-5 and 35.
    return frozenset(token for token in tokens if not _is_number(token)), "".join(filter(_is_number, tokens)).replace(".", "")


def _is_number(token: str) -> bool:
    return token.replace(".", "", 1).isdigit()


def differ(asked: str | None, answered: str | None) -> bool:
    """Whether two names are of different families, as far as both tell: an alias without a version fits every version."""
    if not asked or not answered or asked == answered:
        return False
    one, other = family(asked), family(answered)
    if one is None or other is None:
        return False
    return one[0] != other[0] or bool(one[1] and other[1] and one[1] != other[1])
