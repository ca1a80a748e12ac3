"""JPEG, multipart streams and plates as pure functions: cut, duplicate and untrusted input."""

import io
import random

import numpy as np
import pytest
from camera_fixture import jpeg, part
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivers.camera.anpr.plate_dedup import PassageDeduplicator, normalise_plate, to_fraction
from drivers.camera.anpr.timestamps import to_iso
from drivers.camera.imaging.exposure import ExposureSettling
from drivers.camera.imaging.jpeg import JpegInfo, parse_jpeg
from drivers.camera.multipart import BodyPart, MalformedPart, MultipartReader, parse_boundary

PICTURE = jpeg(77, width=32, height=24, noise=1)
XML = b'<?xml version="1.0"?>\n<x:Alert xmlns:x="urn:any"><x:a>1</x:a></x:Alert>\n'


def parts_of(stream: bytes, *cuts: int, boundary: str = "myboundary", limit: int = 100_000) -> list[object]:
    parser = MultipartReader(boundary, limit)
    found: list[object] = []
    for begin, end in zip((0, *cuts), (*cuts, len(stream)), strict=True):
        found += parser.feed(stream[begin:end])
    return found + parser.finish()


def contents(found: list[object]) -> list[bytes]:
    return [each.content.strip() if isinstance(each, BodyPart) else each.fault.encode() for each in found]  # type: ignore[attr-defined]


# JPEG.


@pytest.mark.parametrize("progressive", [False, True])
def test_size_of_whole_picture(progressive: bool) -> None:
    written = io.BytesIO()
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(written, "JPEG", progressive=progressive)
    assert parse_jpeg(written.getvalue()) == JpegInfo(50, 30, len(written.getvalue()))


def test_picture_cut_anywhere_is_invalid() -> None:
    assert parse_jpeg(PICTURE) == JpegInfo(32, 24, len(PICTURE))
    for end in range(len(PICTURE)):
        assert parse_jpeg(PICTURE[:end]) == "cut", end


def test_scan_of_fill_bytes_is_fast() -> None:
    whole = jpeg()
    scan = whole.index(b"\xff\xda") + 2
    scan += int.from_bytes(whole[scan : scan + 2])
    assert parse_jpeg(whole[:scan] + b"\xff" * 1_000_000 + b"\0") == "cut"
    assert isinstance(parse_jpeg(whole[:scan] + b"\xff" * 1_000_000 + b"\xd9"), JpegInfo)


def test_bytes_after_picture_are_ignored() -> None:
    assert parse_jpeg(PICTURE + b"\0\0padding") == JpegInfo(32, 24, len(PICTURE))


def test_half_picture_before_another_is_cut() -> None:
    assert parse_jpeg(PICTURE[: len(PICTURE) // 2] + PICTURE) == "malformed"


def test_embedded_preview_does_not_end_picture() -> None:
    preview = b"\xff\xe1" + (len(PICTURE) + 2).to_bytes(2) + PICTURE
    with_preview = PICTURE[:2] + preview + PICTURE[2:]
    assert parse_jpeg(with_preview) == JpegInfo(32, 24, len(with_preview))
    assert parse_jpeg(with_preview[: 6 + len(PICTURE)]) == "cut"


@given(st.binary(max_size=200))
def test_any_bytes_are_inspected(noise: bytes) -> None:
    assert isinstance(parse_jpeg(noise), str) or noise.startswith(b"\xff\xd8")
    parse_jpeg(PICTURE[:200] + noise)


# Multipart.


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=myboundary", "myboundary"),
        ('multipart/mixed;boundary="--my boundary"', "my"),
        ("Multipart/Mixed; charset=x; Boundary=--video", "video"),
        ("image/jpeg", None),
        ("multipart/mixed", None),
    ],
)
def test_boundaries_of_cameras_are_parsed(content_type: str, boundary: str | None) -> None:
    assert parse_boundary(content_type) == boundary


@pytest.mark.parametrize("length", [True, False])
def test_stream_cut_at_every_byte(length: bool) -> None:
    stream = part(XML, "application/xml", length=length) + part(PICTURE, length=length)
    stream += (
        part(b"Heartbeat", "text/plain", length=length) + part(PICTURE, length=length) + b"--myboundary--"
    )
    expected = [XML.strip(), PICTURE, b"Heartbeat", PICTURE]
    for cut in range(len(stream)):
        assert contents(parts_of(stream, cut)) == expected, cut
    assert contents(parts_of(stream, *range(1, len(stream)))) == expected


@pytest.mark.parametrize("length", [True, False])
def test_part_is_complete_at_its_last_byte(length: bool) -> None:
    """Without a length a picture would otherwise be late by one picture."""
    for content, media_type in ((PICTURE, "image/jpeg"), (XML.strip(), "text/xml")):
        parser = MultipartReader("myboundary", 100_000)
        stream = part(content, media_type, length=length)[:-2]
        assert parser.feed(stream[:-1]) == []
        assert [each.content for each in parser.feed(stream[-1:])] == [content]


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=5),
    st.lists(st.integers(0, 600), max_size=8),
    st.binary(max_size=20),
)
def test_parts_survive_any_cut(parts: list[tuple[bytes, bool]], cuts: list[int], before: bytes) -> None:
    parts = [(content.replace(b"-", b"+"), length) for content, length in parts]
    # Without a length, a complete document ends there, and a line end at the end is ignored.
    parts = [
        (content if length else b"<" + content.replace(b">", b"") + b"<", length) for content, length in parts
    ]
    stream = (
        before.replace(b"-", b"+") + b"\r\n" + b"".join(part(c, "text/plain", length=n) for c, n in parts)
    )
    stream += b"--myboundary--\r\n"
    found = parts_of(stream, *sorted(min(cut, len(stream)) for cut in cuts))
    assert [each.content for each in found if isinstance(each, BodyPart)] == [content for content, _ in parts]


def test_part_shorter_than_its_length() -> None:
    stream = part(PICTURE)[:-40] + b"\r\n" + part(XML, "text/xml") + part(PICTURE)
    for cut in range(0, len(stream), 3):
        assert contents(parts_of(stream, cut)) == [b"cut", XML.strip(), PICTURE]


def test_length_may_count_the_line_end() -> None:
    one = part(PICTURE).replace(str(len(PICTURE)).encode(), str(len(PICTURE) + 2).encode())
    for cut in range(2 * len(one)):
        assert contents(parts_of(one + one, cut)) == [PICTURE, PICTURE]


def test_too_long_part_is_skipped() -> None:
    for length in (True, False):
        stream = part(b"a" * 5000, "text/plain", length=length) + part(PICTURE)
        found = parts_of(stream, *range(500, 5000, 500), limit=3000)
        assert contents(found) == [b"too_long", PICTURE]


def test_many_comments_are_parsed_fast() -> None:
    stream = part(b"<!-- -->" * 60 + b" x>", "text/xml", length=False) + part(PICTURE)
    assert contents(parts_of(stream))[-1] == PICTURE


def test_length_of_thousands_of_digits_is_too_long() -> None:
    stream = b"--myboundary\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx\r\n" + part(PICTURE)
    assert contents(parts_of(stream)) == [b"too_long", PICTURE]


def test_stream_that_ends_in_a_part() -> None:
    stream = part(PICTURE)
    for end in range(70, len(stream) - 2):
        assert isinstance(parts_of(stream[:end])[0], MalformedPart)


def test_longer_boundary_is_content() -> None:
    stream = part(b"x\r\n--myboundary2\r\ny", "text/plain", length=False) + b"--myboundary\r\n"
    for cut in range(len(stream)):
        assert contents(parts_of(stream, cut)) == [b"x\r\n--myboundary2\r\ny"]


def test_line_feeds_alone_will_do() -> None:
    stream = part(PICTURE).replace(b"\r\n", b"\n", 5) + part(PICTURE)
    assert contents(parts_of(stream)) == [PICTURE, PICTURE]


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_parser_accepts_any_bytes(noise: bytes, seed: int) -> None:
    stream = noise + b"\r\n" + part(b"a", "text/plain") + part(b"b", "text/plain") + part(b"c", "text/plain")
    cuts = sorted(random.Random(seed).sample(range(len(stream)), min(5, len(stream))))
    assert b"c" in contents(parts_of(stream, *cuts))


# Plates.


@pytest.mark.parametrize(
    ("raw", "plate"),
    [
        ("KCA 123-x", "KCA123X"),
        ("\u202eKCA\u200b·123", "KCA123"),
        ("\uff2b\uff23\uff21\uff11\uff12\uff13", "KCA123"),
        ("\u0410123\u0412\u0421 77", "\u0410123\u0412\u042177"),
        ("1กข 2345", "1กข2345"),
        ("unknown", None),
        ("No Plate", None),
        ("'; DROP TABLE", "DROPTABLE"),
        ("../../etc/passwd", "ETCPASSWD"),
        ("$(reboot)\n\x1b[31m", "REBOOT31M"),
        ("--", None),
        ("", None),
        ("A" * 17, None),
    ],
)
def test_plate_becomes_letters_and_digits(raw: str, plate: str | None) -> None:
    assert normalise_plate(raw) == plate


@given(st.text())
def test_any_plate_stays_short_and_plain(raw: str) -> None:
    plate = normalise_plate(raw)
    assert plate is None or (0 < len(plate) <= 16 and not set(plate) & set("/.+#$<>&;'\"\\ \n\0"))
    assert plate is None or normalise_plate(plate) == plate


@pytest.mark.parametrize(
    ("text", "of", "value"),
    [
        ("97", 100, 0.97),
        ("0.7", 1, 0.7),
        ("101", 100, None),
        ("x", 1, None),
        (None, 1, None),
        ("nan", 1, None),
    ],
)
def test_confidences_of_all_scales(text: str | None, of: float, value: float | None) -> None:
    assert to_fraction(text, of) == value


@pytest.mark.parametrize(
    "written", ["2026-06-01T12:00:00+99:99", "2026-06-01T12:00:00.\u0661", "2026-06-01T25:00:00"]
)
def test_invalid_time_is_none(written: str) -> None:
    assert to_iso(written) is None


def test_passage_is_new_once_under_any_key() -> None:
    seen = PassageDeduplicator(remembered=3)
    assert seen.is_first(("uuid-1", "pic-1"))
    assert not seen.is_first(("pic-1",))
    assert not seen.is_first(("uuid-1", "pic-9"))
    assert seen.is_first(("uuid-2",))
    for number in range(3):
        assert seen.is_first((number,))
    assert seen.is_first(("uuid-1",)), "old passages are forgotten"


def test_exposure_is_settled_once_level() -> None:
    settling = ExposureSettling(begun_ns=0)
    assert [settling.is_settled(value) for value in (0, 0, 0, 30, 60, 90, 98, 100, 101)] == [False] * 8 + [
        True
    ]
    assert settling.is_over(1)


def test_exposure_that_never_levels_is_given_up_after_a_second() -> None:
    settling = ExposureSettling(begun_ns=0)
    assert not any(settling.is_settled(value) for value in (20, 200) * 20)
    assert not settling.is_over(999_999_999)
    assert settling.is_over(1_000_000_000)
