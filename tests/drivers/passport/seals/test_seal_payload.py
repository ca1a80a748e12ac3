"""Recognition of barcode content, in every encoding that readers use."""

import base64
import json
import subprocess
import sys
from datetime import date

import pytest
from seal_samples import SEALGEN, nc

from drivers.observation import redact
from drivers.passport.seals import Barcode, BarcodeKind, PayloadEncoding, SealFault, Symbology
from drivers.passport.seals.payload import MAX_BARCODE_BYTES, parse_barcode
from simulators.passport.seals import SymbolEncoding

TODAY = date(2027, 3, 1)
PERMIT = SEALGEN["residence permit"]
ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\r\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\r\n"


def read(data: bytes) -> Barcode:
    return parse_barcode(data, Symbology.DATA_MATRIX, TODAY)


DELIVERIES = {
    SymbolEncoding.BINARY: PayloadEncoding.BINARY,
    SymbolEncoding.UTF8: PayloadEncoding.UTF8,
    SymbolEncoding.BASE64: PayloadEncoding.BASE64,
    SymbolEncoding.BASE64_URL: PayloadEncoding.BASE64,
    SymbolEncoding.BASE32: PayloadEncoding.BASE32,
    SymbolEncoding.BASE32_LOWER: PayloadEncoding.BASE32,
    SymbolEncoding.HEX: PayloadEncoding.HEX,
}


@pytest.mark.parametrize("ending", [b"", b"\r\n", b"\r", b"\0"])
@pytest.mark.parametrize("handover", DELIVERIES)
def test_seal_in_every_encoding(handover: SymbolEncoding, ending: bytes) -> None:
    for name, seal in SEALGEN.items():
        barcode = read(handover.encode_bytes(seal) + ending)
        assert (barcode.kind, barcode.payload_encoding, barcode.fault) == (
            BarcodeKind.VDS,
            DELIVERIES[handover],
            None,
        ), name
        assert barcode.vds == read(seal).vds


@pytest.mark.parametrize("handover", DELIVERIES)
def test_cut_seal_in_every_encoding(handover: SymbolEncoding) -> None:
    barcode = read(handover.encode_bytes(PERMIT[:60]))
    assert (barcode.kind, barcode.fault) == (BarcodeKind.VDS, SealFault.MALFORMED)
    assert (barcode.vds, barcode.text, barcode.content_base64) == (None, None, None)


def test_seal_of_an_unknown_version() -> None:
    barcode = read(b"\xdc\x04" + PERMIT[2:])
    assert (barcode.kind, barcode.fault) == (BarcodeKind.VDS, SealFault.UNSUPPORTED)


def test_seal_in_json() -> None:
    for content in (nc("proof_of_test"), b"\xef\xbb\xbf" + nc("proof_of_test") + b"\r\n"):
        barcode = read(content)
        assert barcode.kind is BarcodeKind.VDS_NC
        assert barcode.vds_nc is not None
        assert barcode.vds_nc.type == "icao.test"


@pytest.mark.parametrize("cut", [100, 500, 1000])
def test_cut_seal_in_json_stays_one(cut: int) -> None:
    barcode = read(nc("proof_of_test")[:cut])
    assert (barcode.kind, barcode.fault) == (BarcodeKind.VDS_NC, SealFault.MALFORMED)


@pytest.mark.parametrize("text", [ZONE, ZONE.replace("\r\n", ""), ZONE.replace("\r\n", "\n")])
def test_zone(text: str) -> None:
    barcode = read(text.encode())
    assert barcode.kind is BarcodeKind.MRZ
    assert barcode.mrz is not None
    assert barcode.mrz.document_number == "L898902C3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4006381333931",
        "Übung",  # its first byte in UTF-8 is that of a seal in UTF-8
        "Ü\u20ac",  # and no text in ISO 8859-1
        "3A",
        "dc",
        "3QB",
        "https://example.org/?a=1",
        '{"hdr": 1}',
        "@\n\x1e\rANSI 636000090002DL00410278DLDAQT64235789",
        "M1ERIKSSON/ANNA       EABC123 UTOUTBUT 0834 326J001A0025 100",
    ],
)
def test_other_text_comes_through(text: str) -> None:
    barcode = read(text.encode())
    assert (barcode.kind, barcode.text) == (BarcodeKind.OTHER, text.strip("\r\n\0 \t"))
    assert barcode.content_base64 is None


def test_other_bytes_come_through() -> None:
    content = b"\x00\xff\xdc\x03"
    barcode = read(content)
    assert (barcode.kind, barcode.text) == (BarcodeKind.OTHER, None)
    assert base64.b64decode(barcode.content_base64 or "") == content


@pytest.mark.parametrize("content", [b"\xff", b"A"])
def test_excess_bytes_are_counted(content: bytes) -> None:
    whole = content * (MAX_BARCODE_BYTES + 5)
    barcode = read(whole)
    kept = barcode.text.encode() if barcode.text else base64.b64decode(barcode.content_base64 or "")
    assert whole.startswith(kept)
    assert (len(kept), barcode.size_bytes) == (len(whole) - barcode.truncated, len(whole))
    assert len(barcode.model_dump_json()) < MAX_BARCODE_BYTES


@pytest.mark.parametrize(
    "content", [PERMIT, nc("proof_of_vaccination"), ZONE.encode(), b"\xff\x00", b"plain"]
)
def test_barcode_goes_through_json(content: bytes) -> None:
    barcode = read(content)
    back = Barcode.model_validate_json(barcode.model_dump_json())
    assert back.model_dump() == barcode.model_dump()


def test_barcode_parsing_needs_no_library() -> None:
    program = """import sys
for name in ("asn1crypto", "cryptography"):
    sys.modules[name] = None
from drivers.passport.seals.payload import parse_barcode
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_log_shows_nothing_of_holder() -> None:
    for content in (
        *SEALGEN.values(),
        nc("proof_of_test"),
        nc("proof_of_vaccination"),
        ZONE.encode(),
        b"SECRET",
    ):
        line = json.dumps(redact(read(content)), default=str)
        for word in (
            "RESIDORCE",
            "UFO001979",
            "6525845096",
            "Perschwei",
            "HEINEMANN",
            "T2000AK47",
            "Cook",
            "E1234567P",
            "1990-01-29",
            "Comirnaty",
            "ERIKSSON",
            "SECRET",
            "negative",
        ):
            assert word not in line
        for word in (word.encode().hex() for word in ("Perschwei", "Oscar")):
            assert word not in line
