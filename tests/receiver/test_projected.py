"""The classes that requests are read with are there for good, whatever the collector of cycles does."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

from spanledger.receiver import projected

NOT_HELD = """
import gc, sys, weakref
from spanledger.receiver import projected
projected._CLASSES.clear()
message = projected.Request().resource_spans.add().scope_spans.add().spans.add().status
seen = weakref.ref(type(message))
del message
gc.collect()
sys.exit(seen() is not None)
"""


def inner() -> list[Any]:
    """A message of each kind that only appears inside others."""
    resource_spans = projected.Request().resource_spans.add()
    span = resource_spans.scope_spans.add().spans.add()
    counted = projected.CountedRequest().resource_spans.add()
    return [resource_spans, resource_spans.scope_spans[0], span, span.status, counted, counted.scope_spans.add()]


def test_no_class_is_collected_when_no_message_of_it_is_left() -> None:
    seen = [weakref.ref(type(message)) for message in inner()]
    gc.collect()
    assert len(seen) == 6
    assert all(each() is not None for each in seen)


def test_a_class_that_nobody_holds_would_be() -> None:
    assert subprocess.run([sys.executable, "-c", NOT_HELD], check=False).returncode == 0
