from spanledger.receiver.metrics import Metrics, open_metrics


def test_counters_start_at_zero_and_add_up() -> None:
    metrics = Metrics()
    metrics.add("requests_total", transport="grpc", outcome="accepted")
    metrics.add("requests_total", 2, transport="grpc", outcome="accepted")
    metrics.add("requests_total", transport="http", outcome="rejected")
    text = metrics.render([])
    assert 'spanledger_receiver_requests_total{transport="grpc",outcome="accepted"} 3\n' in text
    assert 'spanledger_receiver_requests_total{transport="http",outcome="rejected"} 1\n' in text
    assert "spanledger_receiver_spans_total 0\n" in text
    assert metrics.count("requests_total", transport="grpc", outcome="accepted") == 3
    assert metrics.count("spans_total") == 0


def test_syncs_are_a_cumulative_histogram() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.03, 9.0):
        metrics.synced(2, 100, seconds)
    text = metrics.render([])
    assert 'sync_seconds_bucket{le="0.0005"} 1\n' in text
    assert 'sync_seconds_bucket{le="0.05"} 2\n' in text
    assert 'sync_seconds_bucket{le="2.5"} 2\n' in text
    assert 'sync_seconds_bucket{le="+Inf"} 3\n' in text
    assert "sync_seconds_sum 9.030400\n" in text
    assert "sync_seconds_count 3\n" in text
    assert "spanledger_receiver_journal_records_total 6\n" in text
    assert "spanledger_receiver_journal_bytes_total 300\n" in text


def test_gauges_are_read_when_asked() -> None:
    text = Metrics().render([("journal_position_bytes", "The end.", 12_345_678_901)])
    assert text.endswith("# TYPE spanledger_journal_position_bytes gauge\nspanledger_journal_position_bytes 12345678901\n")


def test_open_metrics_name_counters_without_total_and_mark_the_end() -> None:
    text = open_metrics(Metrics().render([("worker_up", "Up.", 1)]))
    assert "# TYPE spanledger_receiver_spans counter\nspanledger_receiver_spans_total 0\n" in text
    assert "# TYPE spanledger_worker_up gauge\n" in text
    assert text.endswith("\n# EOF\n")
