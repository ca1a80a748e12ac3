"""Finger image records: layout of the standard, roundtrip, and another program's reading."""

import hashlib
import io
import json
import os
import random
import struct
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.devices.fingerprints import print_of

from drivers.fingerprint.encoding import FingerImage, acquisition_level, encode_attachments
from drivers.fingerprint.observations import (
    FingerPosition,
    ImageEncoding,
    ImageQuality,
    Impression,
    QualityMeasureName,
)
from drivers.fingerprint.raster import Raster
from drivers.fingerprint.records import (
    Certificate,
    Compression,
    QualityBlock,
    Record2005,
    Record2011,
    RecordError,
    Representation,
    View,
    decode,
)
from drivers.observation import Outcome

MUTATIONS = int(os.environ.get("BORDERPOST_FUZZ", "50000"))
ORACLE = Path(".oracles/bin/python")
CAPTURED = datetime(2026, 11, 24, 9, 30, 15, 250000, tzinfo=UTC)
NFIQ2 = ImageQuality(measure=QualityMeasureName.NFIQ2, value=54, outcome=Outcome.UNDETERMINED)
CLARITY = ImageQuality(measure=QualityMeasureName.RIDGE_CLARITY, value=54, outcome=Outcome.UNDETERMINED)
RASTER = print_of(200, 240)

byte, word = st.integers(0, 255), st.integers(0, 0xFFFF)
pair = st.tuples(word, word)


def found(quality: ImageQuality = NFIQ2, raster: Raster = RASTER) -> FingerImage:
    return FingerImage(raster, FingerPosition.LEFT_INDEX, quality, CAPTURED)


def record(encoding: ImageEncoding, inside: str = "none", quality: ImageQuality = NFIQ2) -> bytes:
    return encode_attachments(found(quality), [encoding], inside)[0].content  # type: ignore[arg-type]


def test_record_of_2005_has_the_standard_layout() -> None:
    data = record(ImageEncoding.FIR_2005)

    assert data[:8] == b"FIR\x00010\x00"
    assert int.from_bytes(data[8:14], "big") == len(data) == 32 + 14 + 200 * 240
    assert struct.unpack(">HHBBHHHHBBH", data[14:32]) == (0, 30, 1, 1, 500, 500, 500, 500, 8, 0, 0)
    assert struct.unpack(">IBBBBBHHB", data[32:46]) == (14 + 48000, 7, 1, 1, 54, 0, 200, 240, 0)
    assert data[46:] == RASTER.pixels.tobytes()


def test_record_of_2011_has_the_standard_layout() -> None:
    data = record(ImageEncoding.FIR_2011)

    assert data[:8] == b"FIR\x00020\x00"
    assert struct.unpack(">IHBB", data[8:16]) == (len(data), 1, 0, 1)
    assert struct.unpack(">I", data[16:20]) == (len(data) - 16,)
    assert struct.unpack(">HBBBBBH", data[20:29]) == (2026, 11, 24, 9, 30, 15, 250)
    assert struct.unpack(">BHHB", data[29:35]) == (0, 0, 0, 1)
    assert struct.unpack(">BHH", data[35:40]) == (54, 0x0101, 0x39)
    assert struct.unpack(">BBBHHHHBBBHHI", data[40:62]) == (
        *(7, 1, 1, 500, 500, 500, 500, 8, 0, 0, 200, 240, 48000),
    )
    assert data[62:] == RASTER.pixels.tobytes()


def test_other_measures_are_not_in_records() -> None:
    assert Record2005.decode(record(ImageEncoding.FIR_2005, quality=CLARITY)).views[0].quality == 254
    assert (
        Record2011.decode(record(ImageEncoding.FIR_2011, quality=CLARITY)).representations[0].qualities == ()
    )


@pytest.mark.parametrize("inside", ["wsq", "png"])
@pytest.mark.parametrize("encoding", [ImageEncoding.FIR_2005, ImageEncoding.FIR_2011])
def test_image_of_a_record_opens_alone(encoding: ImageEncoding, inside: str) -> None:
    read = decode(record(encoding, inside))
    data = read.views[0].data if isinstance(read, Record2005) else read.representations[0].data

    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == (inside.upper(), (200, 240))


@pytest.mark.parametrize(
    ("resolution_ppi", "bits_per_pixel", "level"),
    [(500, 8, 30), (508, 8, 30), (508, 4, 20), (1000, 8, 40), (256, 8, 20), (500, 1, 10), (200, 8, 10)],
)
def test_no_record_claims_a_certificate(resolution_ppi: int, bits_per_pixel: int, level: int) -> None:
    assert acquisition_level(Raster(RASTER.pixels, resolution_ppi, bits_per_pixel)) == level


@pytest.mark.parametrize(
    ("impression", "in_2005", "in_2011"),
    [
        (Impression.LIVE_ROLLED, 1, 1),
        (Impression.LATENT, 7, 4),
        (Impression.SWIPE, 8, 8),
        (Impression.CONTACTLESS, 9, 24),
        (Impression.UNKNOWN, 0, 28),
    ],
)
def test_impression_numbers_of_each_edition(impression: Impression, in_2005: int, in_2011: int) -> None:
    raster = Raster(RASTER.pixels, 500, impression=impression)
    old, new = encode_attachments(
        found(raster=raster), [ImageEncoding.FIR_2005, ImageEncoding.FIR_2011], "none"
    )

    assert Record2005.decode(old.content).views[0].impression == in_2005
    assert Record2011.decode(new.content).representations[0].impression == in_2011


# Roundtrip.

compressed = st.sampled_from([Compression.WSQ, Compression.JPEG, Compression.JPEG2000, Compression.PNG])
views = st.builds(
    View,
    position=byte,
    width_px=word,
    height_px=word,
    data=st.binary(max_size=40),
    impression=byte,
    quality=byte,
    view_count=byte,
    view_number=byte,
)
records_2005 = st.builds(
    Record2005,
    views=st.lists(views, max_size=4).map(tuple),
    compression=compressed,
    image_resolution=pair,
    scan_resolution=pair,
    depth_bits=byte,
    units=byte,
    device=word,
    acquisition_level=word,
)
moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
representations = st.builds(
    Representation,
    position=byte,
    width_px=word,
    height_px=word,
    compression=compressed | st.just(Compression.JPEG2000_LOSSLESS),
    data=st.binary(max_size=40),
    image_resolution=pair,
    scan_resolution=pair,
    impression=byte,
    number=byte,
    depth_bits=byte,
    units=byte,
    captured_at=st.none() | moments,
    technology=byte,
    vendor=word,
    device=word,
    qualities=st.lists(st.builds(QualityBlock, byte, word, word), max_size=3).map(tuple),
)


@st.composite
def records_2011(draw: Any) -> Record2011:
    certified = draw(st.booleans())
    found = draw(st.lists(representations, max_size=4))
    if certified:
        certificates = st.lists(st.builds(Certificate, word, byte), max_size=3).map(tuple)
        found = [Representation(**fields_of(one) | {"certificates": draw(certificates)}) for one in found]
    return Record2011(tuple(found), certified)


def fields_of(one: Representation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Representation.__slots__}


@given(records_2005 | records_2011())
def test_record_roundtrip(written: Record2005 | Record2011) -> None:
    assert decode(written.encode()) == written


@pytest.mark.parametrize("depth_bits", [1, 4, 8, 16])
def test_uncompressed_image_size_is_checked(depth_bits: int) -> None:
    compression = Compression.PACKED if depth_bits < 8 else Compression.NONE
    size = {1: 2, 4: 8, 8: 15, 16: 30}[depth_bits]
    written = Record2005(
        (View(1, 5, 3, bytes(size)),), compression, (500, 500), (500, 500), depth_bits=depth_bits
    )

    assert decode(written.encode()) == written
    with pytest.raises(RecordError, match="size"):
        Record2005((View(1, 5, 3, bytes(size + 1)),), compression, (1, 1), (1, 1), depth_bits).encode()


def test_a_time_is_kept_in_utc() -> None:
    nairobi = datetime(2026, 11, 24, 12, 0, tzinfo=timezone(timedelta(hours=3)))
    written = Record2011(
        (Representation(1, 9, 9, Compression.PNG, b"", (1, 1), (1, 1), captured_at=nairobi),)
    ).encode()

    assert Record2011.decode(written).representations[0].captured_at == nairobi


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            Record2005((View(256, 1, 1, b""),), Compression.PNG, (1, 1), (1, 1)),
            "position does not fit",
        ),
        (Record2005((), Compression.PNG, (70000, 1), (1, 1)), "image_x does not fit"),
        (Record2005((), Compression.JPEG2000_LOSSLESS, (1, 1), (1, 1)), "no such compression"),
        (
            Record2011((Representation(1, -1, 1, Compression.PNG, b"", (1, 1), (1, 1)),)),
            "width_px does not fit",
        ),
        (
            Record2011(
                (
                    Representation(
                        1,
                        1,
                        1,
                        Compression.PNG,
                        b"",
                        (1, 1),
                        (1, 1),
                        certificates=(Certificate(1, 1),),
                    ),
                )
            ),
            "certificates",
        ),
    ],
)
def test_what_does_not_fit_is_named(record: Record2005 | Record2011, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        record.encode()


# Malformed records.

SAMPLES = [
    Record2005(
        (View(7, 3, 2, b"\1\2\3\4\5\6"), View(8, 1, 1, b"\0")), Compression.NONE, (500, 500), (500, 500)
    ).encode(),
    Record2011(
        (
            Representation(
                7,
                3,
                2,
                Compression.NONE,
                b"\1\2\3\4\5\6",
                (500, 500),
                (500, 500),
                captured_at=CAPTURED,
                qualities=(QualityBlock(54, 0x0101, 0x39),),
                certificates=(Certificate(1, 2),),
            ),
        ),
        certified=True,
    ).encode(),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=["2005", "2011"])
def test_truncated_record_is_refused(sample: bytes) -> None:
    for cut in range(len(sample)):
        with pytest.raises(RecordError):
            decode(sample[:cut])
    with pytest.raises(RecordError):
        decode(sample + b"\0")


@pytest.mark.parametrize("sample", SAMPLES, ids=["2005", "2011"])
def test_any_bytes_give_a_record_or_record_error(sample: bytes) -> None:
    chance = random.Random(19794)
    reads = 0
    for _ in range(MUTATIONS):
        spoilt = bytearray(sample)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(spoilt))
            match chance.randrange(3):
                case 0:
                    spoilt[at] = chance.randrange(256)
                case 1:
                    del spoilt[at : at + chance.randrange(1, 9)]
                case 2:
                    spoilt[at:at] = chance.randbytes(chance.randrange(1, 9))
            if len(spoilt) < 14:
                break
        if chance.random() < 0.8:  # else nearly all would be refused for their length
            spoilt[8:12] = len(spoilt).to_bytes(4, "big") if sample[4:7] == b"020" else spoilt[8:12]
            spoilt[8:14] = len(spoilt).to_bytes(6, "big") if sample[4:7] == b"010" else spoilt[8:14]
        try:
            read = decode(bytes(spoilt))
        except RecordError as error:
            assert str(error)  # noqa: PT017 - most are refused; the others are records
        else:
            assert decode(read.encode()) == read
            reads += 1
    assert MUTATIONS / 20 < reads < MUTATIONS, "some are still records, most are not"


# Another program.


@pytest.mark.parametrize("inside", ["none", "wsq"])
def test_package_iso19794_reads_the_record_of_2011(inside: str, tmp_path: Path) -> None:
    if not ORACLE.exists():
        pytest.skip("make .oracles/.ready installs the programs of others")
    file = tmp_path / "record.fir"
    file.write_bytes(record(ImageEncoding.FIR_2011, inside))

    told = subprocess.run(
        [ORACLE, "tests/oracles/read_record.py", file], capture_output=True, check=True, timeout=60
    )
    pixels = RASTER.pixels.tobytes()
    if inside == "wsq":
        with Image.open(
            io.BytesIO(encode_attachments(found(), [ImageEncoding.WSQ], "wsq")[0].content)
        ) as image:
            pixels = image.tobytes()
    assert json.loads(told.stdout) == {
        "positions": 1,
        "images": [
            {
                "size": [200, 240],
                "pixels": hashlib.sha256(pixels).hexdigest(),
                "captured": "2026-11-24T09:30:15.000250",  # it takes milliseconds for microseconds
                "position": "LEFT_INDEX_FINGER",
                "impression": "LIVESCAN_PLAIN",
                "compression": "RAW" if inside == "none" else "WSQ",
                "units": "PPI",
                "resolutions": [500, 500, 500, 500],
                "qualities": [[54, "0101", "0039"]],
                "certificates": 0,
            }
        ],
    }
