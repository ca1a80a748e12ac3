"""Data objects, files and their content, from chips that send wrong, slow or cut answers."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips.certificates import integer, oid, sequence
from support.chips.replay import whole_file

from drivers.passport.emrtd import face, lds
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import ChipError, CommandRefusedError, MalformedError, UnsupportedError
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.files import ElementaryFile, longest_chunk
from drivers.passport.emrtd.transport.secure_messaging import Channel

JPEG, JP2 = b"\xff\xd8\xff\xe0 a face", b"\x00\x00\x00\x0cjP  \r\n\x87\n a face"
CODESTREAM = b"\xff\x4f\xff\x51 a face"


# Data objects


@given(st.integers(1, 0x1E), st.binary(max_size=300))
def test_object_round_trip(tag: int, value: bytes) -> None:
    for written in (tlv.encode(tag, value), tlv.encode(0x7F00 | tag, value)):
        found = tlv.parse_first(written)
        assert (found.value, found.size) == (value, len(written))
        assert tlv.parse_value(written, found.tag) == value


@pytest.mark.parametrize("size", [0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000])
def test_lengths_take_the_fewest_bytes(size: int) -> None:
    written = tlv.encode(0x5F2E, bytes(size))
    assert tlv.parse_header(written) == (0x5F2E, size, len(written) - size)


@pytest.mark.parametrize(
    "broken",
    ["", "30", "3001", "3080", "3085000000000100", "3082FF", "7F", "7F81", "7F8181818101", "FFFFFFFFFF"],
)
def test_cut_or_endless_object_is_malformed(broken: str) -> None:
    with pytest.raises(MalformedError):
        tlv.parse_first(bytes.fromhex(broken))


def test_siblings_are_bounded() -> None:
    assert len(tlv.children(bytes(2 * 8), most=8)) == 8
    with pytest.raises(MalformedError):
        tlv.children(bytes(2 * 9), most=8)


def test_trailing_bytes_are_malformed() -> None:
    with pytest.raises(MalformedError):
        tlv.parse_value(b"\x30\x00\x00", 0x30)
    with pytest.raises(MalformedError):
        tlv.parse_whole(b"\x31\x00", 0x30)
    assert tlv.parse_whole(b"\x30\x00\xff\xff", 0x30) == b""


@pytest.mark.parametrize(
    ("encoded", "fits"),
    [
        ("3003020101", True),
        ("30800201010000", True),
        ("3080308000000000", True),
        ("300430800000", True),
        ("3080020101", False),
        ("30050203010203", True),
        ("3004020301020304", False),
        ("02800000", False),
        ("3003300401", False),
    ],
)
def test_nesting_check_does_not_recurse(encoded: str, fits: bool) -> None:
    if fits:
        tlv.check_nesting(bytes.fromhex(encoded))
    else:
        with pytest.raises(MalformedError):
            tlv.check_nesting(bytes.fromhex(encoded))


def test_depth_and_count_are_bounded() -> None:
    with pytest.raises(MalformedError):
        tlv.check_nesting(b"\x30\x80" * 100_000)
    with pytest.raises(MalformedError):
        tlv.check_nesting(b"\x05\x00" * 100_001)


@pytest.mark.parametrize(
    "dotted", ["2.23.136.1.1.1", "1.2.840.113549.1.7.2", "0.4.0.127.0.7.2.2.4.2.2", "2.999.3"]
)
def test_object_identifier_round_trip(dotted: str) -> None:
    assert der.oid(der.encode_oid(dotted)) == dotted


@pytest.mark.parametrize(
    "read",
    [
        lambda: der.oid(b""),
        lambda: der.oid(b"\x81"),
        lambda: der.oid(bytes(65)),
        lambda: der.integer(b""),
        lambda: der.integer(b"\x80"),
        lambda: der.integer(bytes(1026)),
        lambda: der.small_integer(bytes(10)),
        lambda: der.bit_string(b""),
        lambda: der.bit_string(b"\x01\x80"),
        lambda: der.sequence(b"\x30\x00", least=1),
        lambda: der.expect(tlv.parse_first(b"\x02\x01\x00"), 0x30),
    ],
)
def test_types_that_are_none(read: Callable[[], object]) -> None:
    with pytest.raises(MalformedError):
        read()


# Reading


def chip_with(content: bytes, most: int = 256) -> Callable[[bytes], bytes]:
    """A chip without secure messaging and with one file."""

    def transmit(command: bytes) -> bytes:
        if command[1] == 0xA4:
            return b"\x90\x00"
        if command[1] == 0xB1:
            offset, wanted = int.from_bytes(command[7:10], "big"), command[-1] or 256
            piece = content[offset : offset + min(wanted - 3, most)]
            return tlv.encode(0x53, piece) + b"\x90\x00"
        offset = int.from_bytes(command[2:4], "big")
        return content[offset : offset + min(command[4] or 256, most)] + b"\x90\x00"

    return transmit


def read(content: bytes, file: ElementaryFile = ElementaryFile.DG2, most: int = 256) -> bytes:
    return whole_file(files.read(Channel(chip_with(content, most)), file))


@pytest.mark.parametrize("size", [0, 1, 2, 100, 0x7F, 0x80, 0xDF, 0x100, 5000, 0x7FF0, 0x8000, 70_000])
def test_file_of_any_length_without_padding(size: int) -> None:
    content = tlv.encode(0x75, bytes(size))
    assert read(content + b"\xff" * 50) == content


def test_short_answer_is_followed_by_more_reads() -> None:
    content = tlv.encode(0x75, bytes(range(256)) * 20)
    assert read(content, most=200) == content


def test_chip_sending_single_bytes_is_given_up() -> None:
    with pytest.raises(MalformedError, match="more pieces"):
        read(tlv.encode(0x75, bytes(5000)), most=4)


@pytest.mark.parametrize(
    ("content", "file"),
    [
        (tlv.encode(0x61, bytes(9)), ElementaryFile.DG2),
        (b"\x75\x84\x7f\xff\xff\xff", ElementaryFile.DG2),
        (b"\x61\x82\xff\xff", ElementaryFile.DG1),
        (b"\x75\x80\x00\x00", ElementaryFile.DG2),
        (b"", ElementaryFile.DG2),
        (b"\x75\x82\x10\x00 and no more", ElementaryFile.DG2),
    ],
)
def test_file_with_wrong_length_or_tag(content: bytes, file: ElementaryFile) -> None:
    with pytest.raises(MalformedError):
        read(content, file)


def test_excess_bytes_are_refused() -> None:
    with pytest.raises(MalformedError):
        whole_file(files.read(Channel(lambda command: bytes(99) + b"\x90\x00"), ElementaryFile.DG1))


def test_end_of_file_warning_is_accepted() -> None:
    answers = iter(["9000", "610361626C"[:8] + "9000", "63" + "6282"])
    # Four bytes of head, then the last one with a warning.
    content = whole_file(
        files.read(Channel(lambda command: bytes.fromhex(next(answers))), ElementaryFile.DG1)
    )
    assert content == bytes.fromhex("6103616263")


def test_file_that_is_not_there() -> None:
    with pytest.raises(CommandRefusedError):
        whole_file(files.read(Channel(lambda command: b"\x6a\x82"), ElementaryFile.DG15))


@pytest.mark.parametrize(
    ("information", "chunk"),
    [
        ("7F660802020400" + "02020400", 0x0400 - 64),
        ("4701FF" + "7F660802020FFF" + "02027FFF", 0x1000),
        ("7F66080202010002020100", 0xDF),
        ("4701FF", 0xDF),
        ("", 0xDF),
    ],
)
def test_extended_lengths_only_if_stated(information: str, chunk: int) -> None:
    assert longest_chunk(bytes.fromhex(information)) == chunk


def test_extended_lengths_that_are_none() -> None:
    with pytest.raises(MalformedError):
        longest_chunk(bytes.fromhex("7F660402020400"))


def test_objects_in_one_answer() -> None:
    for status in ("9000", "6282"):
        answers = iter(["9000", "4701FF" + status])
        channel = Channel(lambda command, answers=answers: bytes.fromhex(next(answers)))
        assert files.read_objects(channel, ElementaryFile.ATR_INFO) == b"\x47\x01\xff"


# Data groups


@pytest.mark.parametrize(("size", "lines"), [(90, 3), (72, 2), (88, 2)])
def test_lines_of_each_format(size: int, lines: int) -> None:
    found = lds.dg1_lines(tlv.encode(0x61, tlv.encode(0x5F1F, b"A" * size)))
    assert [len(line) for line in found] == [size // lines] * lines


@pytest.mark.parametrize("zone", [b"", b"A" * 87, b"\xff" * 88])
def test_zone_of_no_format(zone: bytes) -> None:
    with pytest.raises(MalformedError):
        lds.dg1_lines(tlv.encode(0x61, tlv.encode(0x5F1F, zone)))


def dg11(*items: tuple[int, bytes]) -> bytes:
    return tlv.encode(0x6B, b"".join(tlv.encode(tag, value) for tag, value in items))


def test_details_of_the_holder() -> None:
    others = b"\x02\x01\x02" + tlv.encode(0x5F0F, b"ERIKSDOTTER") + tlv.encode(0x5F0F, "ÅSA".encode())
    details = lds.holder_details(
        dg11(
            (0x5C, b"\x5f\x0e"),
            (0x5F0E, "ERIKSSON<<ANNA<MÅRIA".encode()),
            (0x5F10, b"123"),
            (0x5F2B, b"19740812"),
            (0x5F11, "MALMÖ".encode("latin-1")),
            (0xA0, others),
        )
    )
    assert details.full_name == "ERIKSSON<<ANNA<MÅRIA"
    assert details.other_names == ("ERIKSDOTTER", "ÅSA")
    assert details.birth_date == "19740812"
    assert details.birth_place == "MALMÖ"
    assert details.personal_number == "123"
    assert "ERIKSSON" not in repr(details)


@pytest.mark.parametrize(("value", "date"), [(b"\x19\x74\x08\x12", "19740812"), (b"19740000", "19740000")])
def test_dates_come_in_digits_or_packed(value: bytes, date: str) -> None:
    assert lds.holder_details(dg11((0x5F2B, value))).birth_date == date


def test_dates_on_the_calendar() -> None:
    assert lds.calendar_date("19740812").isoformat() == "1974-08-12"
    assert lds.calendar_date("19740000") is None
    assert lds.calendar_date(None) is None


@pytest.mark.parametrize(
    "content", [dg11((0x5F2B, b"197408")), dg11((0x5F2B, b"")), dg11((0x5F0E, bytes(1025)))]
)
def test_details_that_cannot_be(content: bytes) -> None:
    with pytest.raises(MalformedError):
        lds.holder_details(content)


def test_details_of_the_document() -> None:
    content = tlv.encode(0x6C, tlv.encode(0x5F19, b"UTOPIA") + tlv.encode(0x5F26, b"20220412"))
    found = lds.document_details(content)
    assert (found.issuing_authority, found.issue_date) == ("UTOPIA", "20220412")
    assert lds.document_details(b"\x6c\x00") == lds.DocumentDetails()


# The face


def wrapped(block: bytes, tag: int = 0x5F2E) -> bytes:
    template = tlv.encode(0x7F60, tlv.encode(0xA1, b"\x81\x01\x02") + tlv.encode(tag, block))
    return tlv.encode(0x75, tlv.encode(0x7F61, b"\x02\x01\x01" + template))


def record_19794(image: bytes, points: int = 0, faces: int = 1, version: bytes = b"010\0") -> bytes:
    size = 20 + 8 * points + 12 + len(image)
    facial = struct.pack(">IH14x", size, points) + bytes(8 * points) + struct.pack(">BBHH6x", 1, 0, 413, 531)
    return struct.pack(">4s4sIH", b"FAC\0", version, 14 + size, faces) + facial + image


def block_39794(image: bytes) -> bytes:
    value = tlv.encode(0x80, image) + tlv.encode(0xA1, b"\x80\x01\x00")
    for tag in (0xA0, 0xA0, 0xA1):
        value = tlv.encode(tag, value)
    value = tlv.encode(0x30, b"\x80\x01\x00" + value)
    return tlv.encode(0x65, tlv.encode(0xA0, b"\x80\x01\x03") + tlv.encode(0xA1, value))


@pytest.mark.parametrize(
    ("image", "media_type"),
    [(JPEG, "image/jpeg"), (JP2, "image/jp2"), (CODESTREAM, "image/x-jp2-codestream")],
)
def test_face_is_passed_on_as_it_is(image: bytes, media_type: str) -> None:
    for content in (
        wrapped(record_19794(image)),
        wrapped(record_19794(image, points=3), 0x7F2E),
        wrapped(block_39794(image), 0x7F2E),
        wrapped(tlv.encode(0xA1, block_39794(image)), 0x7F2E),
    ):
        found = face.face_image(content)
        assert (found.media_type, found.content) == (media_type, image)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"FAC\0",
        record_19794(JPEG)[:30],
        record_19794(JPEG)[:-1],
        record_19794(JPEG, faces=0),
        record_19794(JPEG, version=b"020\0"),
        record_19794(b""),
        b"\x65\x00",
        b"\x30\x00",
        b"\x30\x02\x30\x00",
    ],
)
def test_faces_that_are_none(block: bytes) -> None:
    with pytest.raises(MalformedError):
        face.face_image(wrapped(block))


def test_image_of_another_kind() -> None:
    with pytest.raises(UnsupportedError):
        face.face_image(wrapped(record_19794(b"GIF89a")))


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_parsers_raise_typed_errors_only(data: bytes) -> None:
    parsers = (
        lds.dg1_lines,
        lds.holder_details,
        lds.document_details,
        lds.com_data_groups,
        face.face_image,
        longest_chunk,
        tlv.check_nesting,
        tlv.children,
    )
    for parse in parsers:
        for tag in (0x60, 0x61, 0x6B, 0x6C, 0x75):
            try:
                parse(tlv.encode(tag, data))
            except ChipError:
                continue


def test_der_sequences_match_code() -> None:
    first, second = der.sequence(sequence(integer(7), oid("2.5.4.6")))
    assert (der.integer(first.value), der.oid(second.value)) == (7, "2.5.4.6")
