"""Properties of slots as drivers of readers encode them, and other programs at the service."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.smartcard import clients, features
from drivers.links.smartcard.errors import slot_held_error

# Answers of libccid 1.6.2 for a reader of extended APDUs, and of vsmartcard's vpcd 3.3.
LIBCCID = bytes.fromhex("1204 42330012 1304 42330013".replace(" ", ""))
PROPERTIES = bytes.fromhex("0101 00 0301 00 0902 0000 0B02 6B07 0C02 2250 0A04 00000100".replace(" ", ""))


def test_control_code_of_a_feature() -> None:
    assert features.control_code(LIBCCID, features.GET_TLV_PROPERTIES) == 0x42330012
    assert features.control_code(LIBCCID, 0x06) is None


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (PROPERTIES, 0x10000),
        (bytes.fromhex("0A0400000000"), 0),
        (bytes.fromhex("0A0405010000"), 261),
        (PROPERTIES[:-1], None),
        (b"", None),
        (b"\x0a", None),
        (b"\x0a\x00", None),
    ],
)
def test_longest_data_of_an_apdu(properties: bytes, expected: int | None) -> None:
    assert features.max_apdu_data_bytes(properties) == expected


@given(st.binary(max_size=60))
def test_any_answer_is_a_number_or_none(answer: bytes) -> None:
    assert features.control_code(answer, features.GET_TLV_PROPERTIES) is None or len(answer) >= 6
    longest = features.max_apdu_data_bytes(answer)
    assert longest is None or 0 <= longest < 1 << 32


def process(proc: Path, number: int, name: str, parent: int, maps: str) -> None:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "stat").write_text(f"{number} ({name}) S {parent} 1 1 0\n")
    (folder / "maps").write_text(maps)


def test_other_programs_of_the_service_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.os, "getppid", lambda: 40)
    library = "7f00-7f01 r-xp 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/libpcsclite.so.1.0.0\n"
    process(tmp_path, 712, "scdaemon", 1, library)
    process(tmp_path, 90, "a) S 40 (b", 2, library)
    process(tmp_path, 91, "lane-1/reader", 40, library)
    process(tmp_path, 92, "bash", 1, "")
    (tmp_path / "93").mkdir()
    found = list(clients.other_clients(tmp_path))
    assert [str(one) for one in found] == ["a) S 40 (b (pid 90)", "scdaemon (pid 712)"]

    monkeypatch.setattr("drivers.links.smartcard.errors.other_clients", lambda: iter(found[1:]))
    error = slot_held_error()
    assert error.text == "scdaemon (pid 712) keeps the chip reader for itself, so chips cannot be read."
    assert "fuser" not in error.how


def test_unseen_program_has_a_command_to_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.links.smartcard.errors.other_clients", lambda: iter(()))
    error = slot_held_error()
    assert error.text.startswith("Another program keeps the chip reader for itself")
    assert error.how.startswith("Find the program: sudo fuser -v /usr/lib/")
