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


def test_author_of_driver_reads_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logging.configure("info", is_author=True)
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise LookupError("no such\nline") from error
    except LookupError:
        structlog.get_logger().exception("failed", line1=SECRET)
    structlog.get_logger().info("fine")
    structlog.reset_defaults()
    failed, fine = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (failed["error"], failed["line1"]) == ("LookupError", "<str len=44>")
    assert failed["text"].startswith("LookupError: no such\\u000aline <- ValueError: invalid literal")
    assert SECRET in failed["text"]
    assert "text" not in fine


def test_lower_levels_are_left_out(journal: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert journal.getvalue() == ""


def test_lines_of_one_kind_are_bounded(journal: io.StringIO) -> None:
    """A device that fails all the time leaves 50 lines, and other devices all of theirs."""
    log = structlog.get_logger()
    for _ in range(5000):
        log.error("read_failed", device="lane-1/reader")
    log.error("read_failed", device="lane-2/reader")
    lines = [json.loads(line) for line in journal.getvalue().splitlines()]
    assert sum(line["device"] == "lane-1/reader" for line in lines) <= logging.BURST_LINES + 5
    assert lines[-1]["device"] == "lane-2/reader"


def test_omitted_lines_are_counted() -> None:
    now_s = 0.0
    budget = logging.LineBudget(lambda: now_s)
    for _ in range(logging.BURST_LINES):
        budget(None, "error", {"event": "failed"})
    for _ in range(7):
        with pytest.raises(structlog.DropEvent):
            budget(None, "error", {"event": "failed"})
    now_s = 60.0
    assert budget(None, "error", {"event": "failed"})["omitted"] == 7
    assert "omitted" not in budget(None, "error", {"event": "failed"})
