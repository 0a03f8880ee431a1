import asyncio
import errno
import logging
import os

import pytest

from spanledger.receiver import complaints
from spanledger.receiver.complaints import EVERY_SECONDS, Complaints


def test_each_kind_of_fault_is_told_once_a_minute_and_without_a_word_of_the_senders(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(Complaints(lambda: now[0]))
    full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    with caplog.at_level(logging.ERROR, logger=complaints.__name__):
        for _ in range(100):
            loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": full})
        loop.call_exception_handler({"message": "a task failed", "exception": ValueError("a word of the sender's")})
        now[0] = EVERY_SECONDS + 1
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": full})
    loop.close()
    out_of_handles = "receiving over HTTP: socket.accept() out of system resource: Too many open files"
    told = [record for record in caplog.records if record.name == complaints.__name__]  # exporters of other tests may still say something
    assert [record.getMessage() for record in told] == [
        out_of_handles,
        "receiving over HTTP: a task failed: ValueError",
        out_of_handles,
    ]
    assert all(record.exc_info is None for record in told)
