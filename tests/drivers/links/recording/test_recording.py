"""Recording format: written files are read back, errors name their line."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.recording.recorder import LIMIT_BYTES, Recorder
from drivers.links.recording.recording import Chunk, Entry, Recording, RecordingError
from drivers.links.recording.usb_trace import Transfer, TransferType

some_bytes = st.binary(min_size=1, max_size=40)
chunks = st.builds(
    Chunk, st.integers(0, 10**7).map(lambda ms: ms / 1000), st.sampled_from(["in", "out"]), some_bytes
)
endings = st.tuples(st.just("complete"), st.sampled_from([0, -errno.ETIMEDOUT, -errno.EPIPE]), st.just(b""))
beginnings = st.tuples(st.just("submit"), st.just(0), st.sampled_from([b"", b"\x40\x04\x4e\0\0\0\1\0"]))
transfers = st.builds(
    lambda number, kind, endpoint, at_us, end, length, data: Transfer(
        number, end[0], kind, endpoint, 1, 1, at_us * 1000, end[1], length, end[2], data
    ),
    st.integers(1, 10**6),
    st.sampled_from(TransferType),
    st.integers(0, 255),
    st.integers(0, 10**10),
    endings | beginnings,
    st.integers(0, 10**6),
    st.binary(max_size=40),
)


@given(st.lists(chunks | transfers))
def test_written_recording_is_read_back(written: list[Entry]) -> None:
    recording = Recording(
        "mrz-serial",
        {"framing": "rte"},
        "live",
        "anonymized",
        written,
        "usb",
        {"model": "X 1"},
        "0.4.0",
        "midway",
    )
    assert Recording.from_text(recording.to_text()) == recording


def test_version_1_is_still_read() -> None:
    read = Recording.from_text(HEAD + "0.310 in  1c 02  a remark\n")

    assert (read.driver, read.wire, read.begins, read.chunks) == (
        "x",
        "serial",
        "at open",
        [Chunk(0.31, "in", b"\x1c\x02")],
    )


def test_recorder_keeps_latest_entries() -> None:
    tape = Recorder(limit_bytes=3 * 1256)
    for number in range(100):
        tape.tap("in", bytes([number]) * 1000)
    tape.tap("in", b"")

    assert [entry.data[0] for entry in tape.entries] == [97, 98, 99]
    assert tape.dropped_entries == 97
    with pytest.raises(ValueError, match="64 MiB"):
        Recorder(LIMIT_BYTES + 1)


def test_recorder_keeps_usb_transfers_only() -> None:
    tape = Recorder()
    begun = Transfer(1, "submit", TransferType.BULK, 0x82, 3, 4, 10**18, 0, 2, data=b"\1\2")
    for transfer in (begun, replace(begun, stage="complete", at_ns=10**18 + 10**6)):
        tape.transfer_tap(transfer)
        tape.tap("in", b"\1\2")

    kept = Recording("x", {}, "live", entries=[*tape.entries])
    assert [(entry.stage, entry.at_ns) for entry in kept.transfers] == [("submit", 0), ("complete", 10**6)]
    assert not kept.chunks


def test_command_of_recording_is_read_back() -> None:
    asked = ("capture", {"position": "left_thumb"})
    written = Recording("zfm", {}, "a test", "synthetic", commands=asked).to_text()

    assert "# asked: capture {" in written
    assert Recording.from_text(written).commands == asked
    with pytest.raises(RecordingError, match="command"):
        Recording.from_text(written.replace("}", "", 2))


HEAD = "# borderpost recording 1\n# driver: x\n# settings: {}\n# provenance: y\n# people: synthetic\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1"),
        ("# something else\n", "line 1"),
        (HEAD + "0.0 in zz\n", "line 6"),
        (HEAD + "0.0 sideways 00\n", "line 6"),
        (HEAD + "\n0.0 in  00  a remark\nnonsense\n", "line 8"),
        (HEAD.replace("# people: synthetic\n", ""), "people"),
        (HEAD.replace("{}", "{"), "settings"),
        (HEAD.replace("{}", "[]"), "settings"),
        (HEAD.replace("synthetic", "nobody"), "synthetic, anonymized, real"),
        (HEAD + "0.1 submit 1 sideways 81 64\n", "line 6"),
        (HEAD + "0.1 complete 1 bulk 81 ENOSUCH 64\n", "line 6"),
        (HEAD.replace("{}", "[" * 10_000), "settings"),
        (HEAD + "9" * 400 + ".0 in 00\n", "line 6"),
        (HEAD + f"0.1 submit {10**30} bulk 81 64\n", "line 6"),
        (HEAD + f"0.1 submit 1 bulk 81 {10**10}\n", "line 6"),
        (HEAD + "0.1 submit 1 control 80 1 setup 00 00\n", "line 6"),
    ],
)
def test_invalid_recording_names_its_line(text: str, complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        Recording.from_text(text)
