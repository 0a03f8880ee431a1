import pytest

from spanledger.receiver.bounds import EAGER_BYTES_MAX, Bounds, Pruned, decode
from spanledger.receiver.effort import Effort
from tests.receiver.samples import make_request, make_span

SMALL = Bounds(scopes=3, spans=4)


def shape(data: bytes, bounds: Bounds) -> tuple[list[list[int]], Pruned]:
    """Spans in each scope in each resource, and what was counted."""
    found = Pruned()
    request = decode(data, bounds, found, Effort())
    return [[len(scope.spans) for scope in resource.scope_spans] for resource in request.resource_spans], found


def request_of(*resources: list[int], padding: int = 0) -> bytes:
    request = make_request(make_span("chat", {"padding": "x" * padding}))
    (resource,) = request.resource_spans
    (scope,) = resource.scope_spans
    (span,) = scope.spans
    del request.resource_spans[:], resource.scope_spans[:], scope.spans[:]
    for counts in resources:
        here = request.resource_spans.add()
        for count in counts:
            here.scope_spans.add().spans.extend([span] * count)
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("sent", "kept", "dropped"),
    [
        ([], [], (0, 0)),
        ([[2, 1], [1]], [[2, 1], [1]], (0, 0)),
        ([[2, 2, 1]], [[2, 2, 0]], (0, 1)),
        ([[5]], [[4]], (0, 1)),
        ([[1, 1], [1, 1, 1]], [[1, 1], [1]], (2, 0)),
        ([[], [], [], [1]], [[], [], []], (1, 0)),
        ([[3, 3], [3], [3]], [[3, 1], [0]], (1, 5)),
    ],
)
@pytest.mark.parametrize("padding", [0, EAGER_BYTES_MAX], ids=["small", "large"])
def test_what_is_within_the_bounds_stays_and_the_rest_is_counted(
    sent: list[list[int]], kept: list[list[int]], dropped: tuple[int, int], padding: int
) -> None:
    found_shape, found = shape(request_of(*sent, padding=padding), SMALL)
    assert found_shape == kept
    assert (found.dropped_scopes, found.dropped_spans) == dropped


def test_a_large_request_within_the_bounds_is_not_changed() -> None:
    data = request_of([2, 1], padding=EAGER_BYTES_MAX)
    assert decode(data, Bounds(), Pruned(), Effort()).SerializeToString() == data
