"""What a process was given for large blocks, also by many threads, goes back to the system when they are freed."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from spanledger.cli.memory import give_memory_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) >> 8  # MiB, of pages of 4 KiB

assert give_memory_back()
before = resident()
kept = []

def work():
    for size in (30 << 20, 8 << 20, 1 << 20):
        for _ in range(3):
            kept.append(bytes(100))
            assert bytearray(b"x") * size

threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(resident() - before)
"""


def test_large_blocks_go_back() -> None:
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(answer.stdout) < 16, f"{answer.stdout} MiB stay"
