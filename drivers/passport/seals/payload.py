"""Parser of barcode content from any reader: seals, zones, or other content.

Bad bytes raise nothing. Content that starts as a seal and is malformed keeps its kind and gets a fault, so
that an altered seal cannot pass for an unknown barcode.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from drivers.passport.mrz import Mrz
from drivers.passport.mrz import parser as zones
from drivers.passport.seals import vds, vds_nc
from drivers.passport.seals.errors import MalformedSealError, SealError
from drivers.passport.seals.hcert import parser as hcert
from drivers.passport.seals.idb import parser as idb
from drivers.passport.seals.model import Barcode, BarcodeKind, PayloadEncoding, SealFault, Symbology, Vds

MAX_BARCODE_BYTES = 16 * 1024
"""Upper bound on a barcode, in bytes: the largest QR code has 2,953, and readers may double them as hex."""
_MAX_OTHER_LENGTH = 4096
# The first bytes of a seal, DC 02 or DC 03, as the text encodings write them.
_BASE64 = re.compile(rb"3A[I-P][A-Za-z0-9+/_-]*={0,2}")
_BASE32 = re.compile(rb"3QB[A-Z2-7]*={0,6}", re.IGNORECASE)
_HEX = re.compile(rb"DC0[23]([0-9A-F]{2})*", re.IGNORECASE)
_UTF8_MARK = b"\xc3\x9c"
# Line end that readers set up for text add to every barcode.
_ENDS = b"\r\n\0"
_NOT_A_VERSION = 0x10
_ZONE = re.compile(r"[A-Z0-9<]{60,90}")


def parse_barcode(data: bytes, symbology: Symbology | None, today: date) -> Barcode:
    """Parse the content of a barcode; `today` decides the centuries of zones only."""
    start, what = data[:MAX_BARCODE_BYTES], {"symbology": symbology, "size_bytes": len(data)}
    if len(data) <= MAX_BARCODE_BYTES:
        for delivery, seal in _seals(start):
            return _vds(seal, delivery, what, today)
        text = _text(start)
        if text is not None:
            if idb.is_idb(text):
                return _signed_text(
                    BarcodeKind.IDB, PayloadEncoding.BASE32, lambda: {"idb": idb.parse(text, today)}, what
                )
            if hcert.is_health_certificate(text):
                return _signed_text(
                    BarcodeKind.HEALTH_CERTIFICATE,
                    PayloadEncoding.BASE45,
                    lambda: {"health_certificate": hcert.parse(text)},
                    what,
                )
            if vds_nc.is_vds_nc(text):
                return _signed_text(
                    BarcodeKind.VDS_NC, PayloadEncoding.BINARY, lambda: {"vds_nc": vds_nc.parse(text)}, what
                )
            if found := _mrz(text, today):
                return Barcode(
                    kind=BarcodeKind.MRZ, payload_encoding=PayloadEncoding.BINARY, mrz=found, **what
                )
    return _other(start, what)


def _seals(data: bytes) -> Iterator[tuple[PayloadEncoding, bytes]]:
    """Yield the possible bytes of a seal, for each encoding that the reader may have used."""
    if _may_be_seal(data):
        yield PayloadEncoding.BINARY, data
    elif data.startswith(_UTF8_MARK):
        try:
            bare = data.decode("utf-8").encode("iso-8859-1")
        except UnicodeError:
            return
        if _may_be_seal(bare):
            yield PayloadEncoding.UTF8, bare
    else:
        yield from _armoured(data.strip(_ENDS + b" \t"))


def _may_be_seal(data: bytes) -> bool:
    return data[:1] == bytes([vds.MAGIC]) and data[1:2] < bytes([_NOT_A_VERSION])


def _armoured(text: bytes) -> Iterator[tuple[PayloadEncoding, bytes]]:
    decoders: tuple[tuple[PayloadEncoding, re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
        (PayloadEncoding.HEX, _HEX, binascii.unhexlify),
        (PayloadEncoding.BASE32, _BASE32, _base32),
        (PayloadEncoding.BASE64, _BASE64, _base64),
    )
    for delivery, pattern, decode in decoders:
        if pattern.fullmatch(text):
            try:
                yield delivery, decode(text)
            except (binascii.Error, ValueError):
                return


def _base32(text: bytes) -> bytes:
    bare = text.rstrip(b"=")
    return base64.b32decode(bare + b"=" * (-len(bare) % 8), casefold=True)


def _base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))


def _vds(data: bytes, delivery: PayloadEncoding, what: dict[str, Any], today: date) -> Barcode:
    try:
        seal = _parse_without_ending(data, today)
    except SealError as fault:
        return _faulty(BarcodeKind.VDS, delivery, fault, what)
    return Barcode(kind=BarcodeKind.VDS, payload_encoding=delivery, vds=seal, **what)


def _parse_without_ending(data: bytes, today: date) -> Vds:
    """Parse a seal, and on failure once more without a line end that the reader may have added."""
    try:
        return vds.parse(data, today)
    except MalformedSealError:
        bare = data.rstrip(_ENDS)
        if bare == data:
            raise
        return vds.parse(bare, today)


def _signed_text(
    kind: BarcodeKind, encoding: PayloadEncoding, parse: Callable[[], dict[str, Any]], what: dict[str, Any]
) -> Barcode:
    """Build the barcode of a seal that is text; `parse` returns it by the name of its field."""
    try:
        seal = parse()
    except SealError as fault:
        return _faulty(kind, encoding, fault, what)
    return Barcode(kind=kind, payload_encoding=encoding, **seal, **what)


def _faulty(kind: BarcodeKind, delivery: PayloadEncoding, fault: SealError, what: dict[str, Any]) -> Barcode:
    malformed = isinstance(fault, MalformedSealError)
    return Barcode(
        kind=kind,
        payload_encoding=delivery,
        fault=SealFault.MALFORMED if malformed else SealFault.UNSUPPORTED,
        **what,
    )


def _text(data: bytes) -> str | None:
    """Return the bytes as text if they are UTF-8, else None."""
    try:
        text = data.decode("utf-8-sig").strip("\r\n\0 \t")
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\r\n\t\x1d\x1e\x04" for c in text) else None


def _mrz(text: str, today: date) -> Mrz | None:
    lines = text.split()
    if not _ZONE.fullmatch("".join(lines)) or "<" not in text:
        return None
    return zones.parse(lines, today)


def _other(data: bytes, what: dict[str, Any]) -> Barcode:
    kept = data[:_MAX_OTHER_LENGTH]
    truncated = what["size_bytes"] - len(kept)
    text = _text(kept)
    return Barcode(
        kind=BarcodeKind.OTHER,
        payload_encoding=PayloadEncoding.BINARY,
        text=text,
        content_base64=None if text is not None else base64.b64encode(kept).decode("ascii"),
        truncated=truncated,
        **what,
    )
