"""Damaged copies of a recording: what is cut, repeated and left whole."""

import itertools

import pytest

from drivers.links.recording.recording import Chunk, Recording
from gateway.testing.damage import RecordedReading, places
from gateway.testing.expectations import contains_in_order, first_difference

OPENING = [Chunk(0.0, "out", b"\x05"), Chunk(0.01, "in", b"ok\r")]


def reading(*chunks: Chunk, wire: str = "serial") -> RecordedReading:
    """Return the reading at the last chunk."""
    entries = [*OPENING, *chunks]
    recording = Recording("scale", {}, "live", entries=list(entries), wire=wire)  # type: ignore[arg-type]
    return RecordedReading.around(recording, len(entries) - 1, silence_s=0.3)


def sent(recording: Recording) -> list[tuple[float, bytes]]:
    """Return what the device sends after the opening, each with the time since the one before."""
    chunks = recording.chunks[1:]
    return [(round(b.at_s - a.at_s, 3), b.data) for a, b in itertools.pairwise(chunks)]


ROWS = reading(Chunk(1.0, "in", b"12"), Chunk(1.1, "in", b"34"))


def test_chunks_without_pause_are_one_reading() -> None:
    assert (ROWS.begin, ROWS.end) == (2, 4)
    assert ROWS.parts == [b"1", b"2", b"3", b"4"]


def test_cut_is_followed_by_silence_and_the_whole() -> None:
    assert [data for _, data in sent(ROWS.cut(3))] == [b"123", b"12", b"34"]
    assert [pause for pause, _ in sent(ROWS.cut(3))][1:] == [0.3, 0.0]


def test_unplugged_after_a_part() -> None:
    assert [data for _, data in sent(ROWS.begun(1))] == [b"1"]
    assert [data for _, data in sent(ROWS.twice())] == [b"12", b"34", b"12", b"34"]


def test_noise_is_around_two_readings() -> None:
    data = [data for _, data in sent(ROWS.among_noise(1))]
    assert len(data) == 7
    assert (data[1:3], data[4:6]) == ([b"12", b"34"], [b"12", b"34"])
    assert sent(ROWS.among_noise(1)) == sent(ROWS.among_noise(1))
    assert sent(ROWS.among_noise(1)) != sent(ROWS.among_noise(2))


def test_asked_device_answers_again() -> None:
    asked = reading(Chunk(1.0, "out", b"?"), Chunk(1.01, "in", b"12"))
    assert asked.answer == (b"?", b"12")
    assert [chunk.data for chunk in asked.cut(1).chunks[2:]] == [b"?", b"1", b"12"]
    noisy = asked.among_noise(1).chunks[2:]
    assert [chunk.data for chunk in noisy[1:3]] == [b"?", b"12"]


@pytest.mark.parametrize(
    ("wire", "data", "parts"),
    [
        ("keyboard", bytes(48), [bytes(24), bytes(24)]),
        ("hidraw", bytes(48), [bytes(48)]),
        ("serial", b"12", [b"1", b"2"]),
    ],
)
def test_parts_are_what_the_wire_carries(wire: str, data: bytes, parts: list[bytes]) -> None:
    assert reading(Chunk(1.0, "in", data), wire=wire).parts == parts


def test_status_line_of_a_response_is_whole() -> None:
    response = reading(
        Chunk(1.0, "out", b"GET /\n"),
        Chunk(1.01, "in", b"200 text/plain\n"),
        Chunk(1.01, "in", b"12"),
        wire="http",
    )
    assert response.parts == [b"200 text/plain\n", b"1", b"2"]


def test_places_are_all_or_spread() -> None:
    assert places(5, 256) == [1, 2, 3, 4]
    spread = places(1000, 10)
    assert (len(spread), spread[0], spread[-1]) == (10, 1, 999)
    assert places(1, 10) == []


def test_difference_has_no_content() -> None:
    one = {"type": "a", "data": {"name": "ERIKSSON", "x": 1}}
    other = {"type": "a", "data": {"name": "OTHER", "x": 1}}
    assert first_difference([one], [other]) == "event 1, a, differs in name"
    assert first_difference([one], [one, one]) == "1 events, expected 2"
    assert first_difference([one], [one]) == ""
    assert contains_in_order([other, one, other], [one, other])
    assert not contains_in_order([other, one], [one, other])
