"""Report descriptors of HID devices: places of fields, lengths of reports, and what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.hid.descriptor import KEYBOARD, DescriptorError, parse_descriptor
from drivers.links.hid.uhid import (
    EventStream,
    create_event,
    input_event,
    output_event,
    parse_create,
    parse_input,
)
from simulators.links.uhid import HidIdentity
from simulators.links.uhid import create_event as simulated_create
from simulators.links.uhid import input_event as simulated_input
from simulators.passport.hid import ACCESSIS_DESCRIPTOR, POS_DESCRIPTOR
from simulators.usb.keyboard import REPORTS as KEYBOARD_DESCRIPTOR


def test_scanner_has_places_of_specification() -> None:
    scanner = parse_descriptor(POS_DESCRIPTOR)
    assert (scanner.applications, scanner.is_numbered, scanner.longest_input_bytes) == ((0x8C0002,), True, 64)
    places = {usage: each.offset_bits // 8 for each in scanner.fields for usage in each.usages}
    assert places[0x01003B] == 0
    assert places[0x8C00FE] == 4
    assert places[0x8C00FF] == 62


def test_vendor_device_has_both_lengths() -> None:
    reader = parse_descriptor(ACCESSIS_DESCRIPTOR)
    assert (reader.applications, reader.is_numbered) == ((0xFF000001,), False)
    assert (reader.report_bytes("input", 0), reader.report_bytes("output", 0)) == (64, 8)


def test_boot_keyboard_of_specification() -> None:
    keyboard = parse_descriptor(KEYBOARD_DESCRIPTOR)
    assert keyboard.applications == (KEYBOARD,)
    assert keyboard.report_bytes("input", 0) == 8


def test_saved_state_and_long_item() -> None:
    saved = parse_descriptor(
        bytes.fromhex("058c 0902 a101 fe020099aa 7508 9504 a4 7501 9508 b4 09fe 8102 c0")
    )
    (field,) = saved.fields
    assert (field.value_bits, field.count, field.usages) == (8, 4, (0x8C00FE,))


def test_full_usage_has_its_own_page() -> None:
    (field,) = parse_descriptor(bytes.fromhex("0501 0906 a101 7508 9501 0bfe008c00 8102 c0")).fields
    assert field.usages == (0x8C00FE,)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "0 bytes"),
        ("058c 0902 a101", "does not end"),
        ("058c 0902 c0", "not begun"),
        ("058c 26ff", "cut"),
        ("fe10", "cut"),
        ("058c 7508 9501 8102", "no application"),
        ("0902 a101 8500 c0", "report id 0"),
        ("0902 a101 b4 c0", "not saved"),
        ("0902 a101 7508 9501 8102 8501 8102 c0", "with and without"),
        ("0902 a101 77ffffff00 96ff00 8102 c0", "more than"),
    ],
)
def test_impossible_descriptor_is_refused(raw: str, why: str) -> None:
    with pytest.raises(DescriptorError, match=why):
        parse_descriptor(bytes.fromhex(raw))


items = st.sampled_from(
    [bytes.fromhex(text) for text in
     ("058c", "0600ff", "0902", "09fe", "19002aff7f", "a101", "a102", "c0", "7508",
      "9538", "97ffffffff", "8502", "8102", "9102", "a4", "b4", "820201", "fe0300aabbcc")]
)  # fmt: skip


@given(st.binary(max_size=200) | st.lists(items, max_size=60).map(b"".join))
def test_any_descriptor_is_parsed_or_refused(raw: bytes) -> None:
    with contextlib.suppress(DescriptorError):
        parsed = parse_descriptor(raw)
        assert parsed.applications
        assert all(each.offset_bits + each.value_bits * each.count <= 8 * 4096 for each in parsed.fields)


def test_events_are_those_of_simulator() -> None:
    identity = HidIdentity(0x0DB5, 0x013E, "Access-IS OCR315", "A1", ACCESSIS_DESCRIPTOR)
    event = simulated_create(identity)
    info = parse_create(event)
    assert info is not None
    assert (info.vendor_id, info.product_id, info.name, info.serial_number, info.descriptor) == (
        0x0DB5,
        0x013E,
        "Access-IS OCR315",
        "A1",
        ACCESSIS_DESCRIPTOR,
    )
    assert create_event(info) == event
    assert parse_input(simulated_input(b"\x02abc")) == b"\x02abc"
    assert parse_input(event) is parse_create(input_event(b"x")) is None


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=8), st.integers(1, 90))
def test_events_in_any_pieces(reports: list[bytes], size: int) -> None:
    events = [event for report in reports for event in (input_event(report), output_event(report))]
    wire, stream = b"".join(events), EventStream()
    assert [e for at in range(0, len(wire), size) for e in stream.feed(wire[at : at + size])] == events


@pytest.mark.parametrize("wire", ["ffffffff00", "0c000000ffff00", "2f6465762f"])
def test_unknown_event_ends_stream(wire: str) -> None:
    stream = EventStream()
    assert list(stream.feed(bytes.fromhex(wire))) == []
    assert stream.is_lost
    assert list(stream.feed(input_event(b"x"))) == []
