"""What the tests of the suite share: every case is run once."""

from functools import cache
from typing import Any

import pytest

from tests.conformance.road import book, net_events, requests


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The net events of a case, its requests taken as they came."""

    @cache
    def run(name: str) -> list[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("ledger")
        book(folder, requests(name))
        return net_events(folder)

    return run
