"""Log entries: allowed names only; exceptions without messages."""

import io
import json

import pytest
import structlog

from gateway.common import log as logging

SECRET = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logging.configure("info")
    yield stream
    structlog.reset_defaults()


def test_only_allowed_names_are_logged(journal: io.StringIO) -> None:
    structlog.get_logger().info("something", device="lane-1/reader", line1=SECRET, key=SECRET.encode())
    entry = json.loads(journal.getvalue())
    assert entry["device"] == "lane-1/reader"
    assert entry["line1"] == "<str len=44>"
    assert entry["key"] == "<bytes len=44>"


def test_exception_logs_places_without_message(journal: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
        structlog.get_logger().exception("failed")
    for line in journal.getvalue().splitlines():
        entry = json.loads(line)
        assert entry["error"] == "ValueError"
        assert any("test_log.py" in place for place in entry["trace"])
        assert SECRET not in line


def test_lower_levels_are_left_out(journal: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert journal.getvalue() == ""
