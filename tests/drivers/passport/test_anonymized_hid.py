"""An anonymized recording of a reader in HID mode reads as well as before, and has no personal data."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.anonymize.anonymizer import anonymize
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.links.framing import CompleteFrame
from drivers.links.hid.descriptor import parse_descriptor
from drivers.links.hid.uhid import OPEN_EVENT, output_event, parse_input
from drivers.links.recording.recording import Chunk, Entry, Recording
from drivers.passport.hid.framing import HidFraming
from drivers.passport.hid.layouts import choose_layout
from drivers.passport.mrz import DigitResult, Mrz
from drivers.passport.read_result import decode_text, parse_mrz, split_lines
from simulators.links.uhid import create_event, input_event
from simulators.passport.hid import HidFormat, HidReader
from simulators.travellers import TravellerGenerator


class NoLine:
    on_received = None


def recorded(hid_format: HidFormat, groups: list[list[bytes]]) -> Recording:
    """Record groups of reports, with a silence between them."""
    identity = HidReader(NoLine(), hid_format).identity  # type: ignore[arg-type]
    entries: list[Entry] = [Chunk(0, "out", OPEN_EVENT), Chunk(0, "in", create_event(identity))]
    entries.append(Chunk(0, "out", output_event(b"\0\x80PRIVATE")))
    for number, reports in enumerate(groups, start=1):
        entries += [Chunk(float(number), "in", input_event(report)) for report in reports]
    return Recording("mrz-hid", {"port": "/dev/anna"}, "live", entries=entries, wire="hidraw")


def zones(recording: Recording, hid_format: HidFormat) -> list[Mrz | None]:
    identity = HidReader(NoLine(), hid_format).identity  # type: ignore[arg-type]
    layout = choose_layout(parse_descriptor(identity.descriptor), "auto", identity.vendor_id, "")
    framing, found, last_s = HidFraming(layout), [], 0.0
    for chunk in recording.chunks:
        silence = list(framing.on_silence()) if chunk.at_s > last_s else []
        last_s = chunk.at_s
        report = parse_input(chunk.data) if chunk.direction == "in" else None
        for frame in (*silence, *(framing.feed(report) if report is not None else ())):
            if isinstance(frame, CompleteFrame):
                found.append(parse_mrz(split_lines(decode_text(frame.payload))))
    return found


def places(part: bytes, text: bytes) -> list[int]:
    """Return every place of a part in a text."""
    return [at for at in range(len(text)) if text.startswith(part, at)]


@pytest.mark.parametrize("hid_format", HidFormat)
def test_empty_report_is_anonymized(hid_format: HidFormat) -> None:
    """A report has its id only where reports have ids, and an empty one has not even that."""
    recording = recorded(hid_format, [[b""]])
    assert [len(chunk.data) for chunk in anonymize(recording).chunks] == [
        len(chunk.data) for chunk in recording.chunks
    ]


@pytest.mark.parametrize("hid_format", HidFormat)
@given(first=st.integers(0, 200), size=st.integers(5, 63))
@settings(max_examples=10)
def test_no_personal_data_and_right_digits(hid_format: HidFormat, first: int, size: int) -> None:
    device = HidReader(NoLine(), hid_format)  # type: ignore[arg-type]
    people = list(itertools.islice(TravellerGenerator(first), 3))
    groups = [device.reports_of(device.frame(document.lines), size) for document in people]
    groups.append(device.reports_of(device.frame(people[0].lines)[:40], continues=True))
    original = recorded(hid_format, groups)

    anonymized = Recording.from_text(anonymize(original).to_text())

    content = b"".join(chunk.data for chunk in anonymized.chunks)
    before = b"".join(chunk.data for chunk in original.chunks)
    for document in people:
        for mark in (document.surname.split()[0], document.number):
            assert mark.encode() not in content
            for at in range(len(mark) - 4):  # a report may have any part of it
                part = mark[at : at + 5].encode()
                # Elsewhere five digits of a pseudonym may be the same by chance.
                assert all(content[place : place + 5] != part for place in places(part, before))
    assert b"PRIVATE" not in content
    assert "/dev/anna" not in anonymized.to_text()
    assert [(c.at_s, len(c.data)) for c in anonymized.chunks] == [
        (c.at_s, len(c.data)) for c in original.chunks
    ]
    found = zones(anonymized, hid_format)
    assert len(found) == len(people)
    for zone in found:
        assert zone is not None
        assert {digit.result for digit in zone.digits} <= {DigitResult.OK, DigitResult.ABSENT}


def test_rows_of_their_own_and_barcodes() -> None:
    device = HidReader(NoLine(), HidFormat.POS)  # type: ignore[arg-type]
    (document,) = itertools.islice(TravellerGenerator(7), 1)
    rows = [report for line in document.lines for report in device.reports_of(line.encode())]
    device._symbology = b"]Q1"
    barcode = device.reports_of(b"SECRETBARCODE")
    other = [b"\x07SECRETSTATUS"]

    anonymized = anonymize(recorded(HidFormat.POS, [rows, barcode, other]))

    content = b"".join(chunk.data for chunk in anonymized.chunks)
    assert b"SECRET" not in content
    (zone, _) = zones(anonymized, HidFormat.POS)
    assert zone is not None
    assert document.number.encode() not in content


def test_recording_without_descriptor_is_refused() -> None:
    recording = recorded(HidFormat.POS, [[bytes(64)]])
    del recording.entries[:2]
    with pytest.raises(CannotAnonymize, match="from the beginning"):
        anonymize(recording)


def test_unknown_layout_is_refused() -> None:
    recording = recorded(HidFormat.POS, [[bytes(64)]])
    recording.settings["format"] = "accessis"
    with pytest.raises(CannotAnonymize, match="layout"):
        anonymize(recording)
