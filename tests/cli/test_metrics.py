"""The worker's figures in the text exposition format."""

from __future__ import annotations

import re
from pathlib import Path

from spanledger.cli.metrics import archive_metrics, disk_metrics, forward_metrics, worker_metrics
from spanledger.cli.worker_stats import COMMIT_SECONDS, Stats
from spanledger.store.forwarding import ForwardState


def test_figures_have_help_type_and_value_and_no_labels() -> None:
    stats = Stats(spans=5, committed_position=900, open_position=400, commit_seconds=0.25)
    text = worker_metrics(stats, 1000, restarts=2, alive=True)
    values = dict(line.split() for line in text.splitlines() if not line.startswith("#") and "{" not in line)
    assert values["spanledger_worker_spans_total"] == "5"
    assert values["spanledger_worker_lag_bytes"] == "100"
    assert values["spanledger_worker_settle_lag_bytes"] == "600"
    assert values["spanledger_worker_restarts_total"] == "2"
    assert values["spanledger_worker_up"] == "1"
    assert values["spanledger_worker_commit_seconds"] == "0.25"
    for name in values:
        if name.endswith(("_sum", "_count")):
            continue
        assert re.search(rf"# HELP {name} .+\n# TYPE {name} (counter|gauge)\n", text)
    assert set(re.findall("{(.*?)=", text)) == {"le"}


def test_commits_are_a_cumulative_histogram() -> None:
    counts = [0] * (len(COMMIT_SECONDS) + 1)
    counts[2], counts[-1] = 3, 1
    text = worker_metrics(Stats(commit_counts=counts, commit_seconds_sum=12.5), 0, 0, alive=True)
    assert 'commit_duration_seconds_bucket{le="0.025"} 0\n' in text
    assert 'commit_duration_seconds_bucket{le="0.05"} 3\n' in text
    assert 'commit_duration_seconds_bucket{le="+Inf"} 4\n' in text
    assert "commit_duration_seconds_sum 12.500000\n" in text
    assert text.endswith("commit_duration_seconds_count 4\n")


def test_the_disk_is_that_of_the_folder(tmp_path: Path) -> None:
    values = dict(line.split() for line in disk_metrics(tmp_path).splitlines() if not line.startswith("#"))
    assert 0 < int(values["spanledger_disk_free_bytes"]) < int(values["spanledger_disk_size_bytes"])


def test_large_positions_keep_their_digits() -> None:
    assert "worker_position_bytes 123456789012345\n" in worker_metrics(Stats(committed_position=123456789012345), 0, 0, alive=False)


def test_the_size_of_the_archive() -> None:
    assert archive_metrics(3, 4096).splitlines()[2::3] == ["spanledger_archive_segments 3", "spanledger_archive_bytes 4096"]


def test_how_far_costs_have_been_sent_on() -> None:
    lines = forward_metrics(ForwardState(7, 0, error="away", failing_since_ns=10**9, rejected=1), 10, 3 * 10**9).splitlines()
    assert lines[2::3] == [
        "spanledger_forward_entries_total 7",
        "spanledger_forward_rejected_entries_total 1",
        "spanledger_forward_lag_entries 3",
        "spanledger_forward_failing_seconds 2",
    ]
    assert forward_metrics(None, 10, 0) == ""
