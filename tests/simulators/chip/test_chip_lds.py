"""Content of the files: the face, the details, and the ASN.1 encoder."""

import io
from datetime import UTC, datetime

import pytest
from asn1crypto import core
from chip_terminal import undo
from hypothesis import given
from hypothesis import strategies as st

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.chip import Chip, IssuingState, Profile, face, lds
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import objects, parse_single, tlv
from simulators.passport.chip.face import HEIGHT, WIDTH, ImageFormat, draw_face, mosaic
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]


def picture_of(dg2: bytes) -> tuple[bytes, bytes]:
    """Return facial record header with both information blocks, and the image."""
    [(tag, group)] = undo(undo(dg2)[0][1])
    assert tag == 0x7F61
    (_, count), (_, template) = undo(group)
    assert count == b"\x01"
    (_, header), (_, record) = undo(template)
    assert dict(undo(header)) == {0x80: b"\x01\x01", 0x81: b"\x02", 0x87: b"\x01\x01", 0x88: b"\x00\x08"}
    return record[:46], record[46:]


class TestFace:
    def test_record_length_is_right(self) -> None:
        chip = Chip.issue(PASSPORT, IssuingState.create(), Profile(image_padding=100))
        head, image = picture_of(chip.personalisation.file(0x0102))
        assert head[:8] == b"FAC\x00010\x00"
        assert int.from_bytes(head[8:12], "big") == len(head) + len(image)
        assert head[12:14] == b"\x00\x01"
        assert int.from_bytes(head[14:18], "big") == len(head) + len(image) - 14
        assert head[20] == 2  # female
        assert head[34:36] == b"\x01\x00"
        assert (int.from_bytes(head[36:38], "big"), int.from_bytes(head[38:40], "big")) == (WIDTH, HEIGHT)
        assert image.startswith(b"\xff\xd8\xff")
        assert image.endswith(bytes(100))

    @pytest.mark.parametrize("kind", list(ImageFormat))
    def test_pillow_draws_what_pillow_reads(self, kind: ImageFormat) -> None:
        pillow = pytest.importorskip("PIL.Image", reason="no Pillow")
        with pillow.open(io.BytesIO(draw_face("somebody", kind))) as image:
            assert image.size == (WIDTH, HEIGHT)
            assert image.mode == "RGB"
            image.load()
        assert draw_face("somebody", kind) == draw_face("somebody", kind) != draw_face("somebody else", kind)

    def test_jpeg_2000_is_declared(self) -> None:
        pytest.importorskip("PIL.Image", reason="no Pillow")
        chip = Chip.issue(PASSPORT, IssuingState.create(), Profile(image=ImageFormat.JPEG_2000))
        head, image = picture_of(chip.personalisation.file(0x0102))
        assert head[35] == 1
        assert image[4:8] == b"jP  "

    def test_without_pillow_mosaic_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(face, "find_spec", lambda name: None)
        image = draw_face("nobody at all")
        assert image.startswith(b"\xff\xd8\xff\xe0")
        assert image.endswith(b"\xff\xd9")
        with pytest.raises(SimulatorError, match="requires Pillow"):
            draw_face("nobody at all", ImageFormat.JPEG_2000)

    @pytest.mark.parametrize(("width", "height"), [(WIDTH, HEIGHT), (8, 8), (17, 9)])
    def test_mosaic_has_given_shades(self, width: int, height: int) -> None:
        pillow = pytest.importorskip("PIL.Image", reason="no Pillow")

        def shade(x: float, y: float) -> int:
            return int(255 * x) if y < 0.5 else int(255 * (1 - x))

        with pillow.open(io.BytesIO(mosaic(shade, width, height))) as image:
            image.load()
            assert image.size == (width, height)
            columns, rows = -(-width // 8), -(-height // 8)
            for column in range(columns):
                for row in range(rows):
                    x, y = min(8 * column + 4, width - 1), min(8 * row + 4, height - 1)
                    expected = shade((column + 0.5) / columns, (row + 0.5) / rows)
                    assert abs(image.getpixel((x, y)) - expected) <= 1


class TestDetails:
    def test_name_and_place(self) -> None:
        chip = Chip.issue(PASSPORT, IssuingState.create())
        details = dict(undo(undo(chip.personalisation.file(0x010B))[0][1]))
        assert details[0x5C].hex() == "5f0e5f2b5f11"
        assert details[0x5F0E] == b"Eriksson<<Anna<Maria"
        assert details[0x5F2B] == b"19740812"
        issued = dict(undo(undo(chip.personalisation.file(0x010C))[0][1]))
        assert issued[0x5F26].decode() == f"{chip.personalisation.signer.validity.start:%Y%m%d}"

    def test_unknown_date_of_birth_is_omitted(self) -> None:
        from dataclasses import replace

        details = dict(undo(undo(lds.personal_details(replace(PASSPORT, birth="74<<<<"), "Zenith"))[0][1]))
        assert 0x5F2B not in details
        assert (
            dict(undo(undo(lds.personal_details(replace(PASSPORT, birth="240101"), "Z"))[0][1]))[0x5F2B]
            == b"20240101"
        )

    def test_chip_may_have_no_details(self) -> None:
        with pytest.raises(KeyError):
            Chip.issue(PASSPORT, IssuingState.create(), Profile(details=False)).personalisation.file(0x010B)


class TestTlv:
    @given(tag=st.sampled_from([0x04, 0x5F1F, 0x7F49, 0x99]), value=st.binary(max_size=70_000))
    def test_tlv_round_trip(self, tag: int, value: bytes) -> None:
        assert parse_single(tlv(tag, value), tag) == value

    @given(st.binary(max_size=40))
    def test_invalid_tlv_is_value_error(self, data: bytes) -> None:
        try:
            found = list(objects(data))
        except ValueError:
            return
        assert sum(len(value) for _, value in found) <= len(data)

    @pytest.mark.parametrize("data", ["04", "0480", "048500000000", "0405 00", "5F", "7FFFFF", "0482 01"])
    def test_truncated_tlv_is_refused(self, data: str) -> None:
        with pytest.raises(ValueError, match=r"truncated|missing|length"):
            list(objects(bytes.fromhex(data)))

    def test_only_one_object_is_one(self) -> None:
        with pytest.raises(ValueError, match="not one"):
            parse_single(tlv(4) + tlv(4), 4)


class TestDer:
    @given(st.integers(0, 1 << 600))
    def test_integers(self, value: int) -> None:
        assert core.Integer.load(der.integer(value), strict=True).native == value
        assert core.Integer(value).dump() == der.integer(value)

    @pytest.mark.parametrize(
        "dotted", ["1.2.840.113549.1.7.2", "0.4.0.127.0.7.2.2.4.2.2", "2.23.136.1.1.1", "2.999.3"]
    )
    def test_object_identifiers(self, dotted: str) -> None:
        assert core.ObjectIdentifier(dotted).dump() == der.oid(dotted)

    def test_sets_are_sorted(self) -> None:
        assert der.set_of(b"\x02\x01\x05", b"\x02\x01\x03") == bytes.fromhex("3106020103020105")

    @pytest.mark.parametrize(
        ("bits", "encoded"), [((0,), "03020780"), ((5, 6), "03020106"), ((8,), "0303070080")]
    )
    def test_named_bits(self, bits: tuple[int, ...], encoded: str) -> None:
        assert der.named_bits(*bits).hex() == encoded

    def test_texts_and_times(self) -> None:
        moment = datetime(2049, 12, 31, 23, 59, 58, tzinfo=UTC)
        assert core.UTCTime.load(der.time(moment)).native == moment
        assert core.GeneralizedTime.load(der.generalized_time(moment)).native == moment
        assert core.UTF8String.load(der.utf8("Zoë")).native == "Zoë"
        assert core.PrintableString.load(der.printable("UT")).native == "UT"
