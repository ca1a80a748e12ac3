"""Barcodes and the seals in them, also behind their encodings, and the lists of health signers."""

import base64
import sys
import zlib
from datetime import UTC, date, datetime
from pathlib import Path

import cbor2

from drivers.passport.emrtd import TrustStore
from drivers.passport.seals import SealError
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.encoding import base45
from drivers.passport.seals.encoding.compression import decompress
from drivers.passport.seals.hcert import cose
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from drivers.passport.seals.payload import parse_barcode
from drivers.passport.seals.store import SealSignerStore
from fuzz.target import target
from simulators.passport.seals import hcert as simulated

sys.path.append(str(Path(__file__).parents[2] / "drivers/passport/seals"))

from hcert_samples import GENERATED, PUBLISHED, SIGNERS
from seal_samples import ADMINISTRATIVE, IDB, SEALGEN, TR, certificate

TODAY = date(2024, 6, 1)
STORE = SealSignerStore.from_bytes(
    certificate("sealgen_UTTS5B"),
    certificate("sealgen_DETS32"),
    trust=TrustStore.from_bytes(certificate("csca_aus")),
)
LISTS = HealthTrustLists.from_bytes(*SIGNERS.values())
MADE = datetime(2024, 5, 20, tzinfo=UTC)
HEALTH = [text.encode() for text in (*GENERATED.values(), *(each["text"] for each in PUBLISHED.values()))]
MESSAGES = [decompress(base45.decode(text.decode()[4:]), 1 << 16) for text in HEALTH]
CONTENTS = [
    base64.b32decode(text[5:] + "=" * (-len(text[5:]) % 8)) for text in IDB.values() if len(text) < 400
]


@target(
    seeds=(*SEALGEN.values(), *TR.values(), ADMINISTRATIVE),
    words=(b"\xdc\x02", b"\xdc\x03", b"\xff\x40"),
)
def barcodes(data: bytes) -> None:
    barcode = parse_barcode(data, None, TODAY)
    barcode.model_dump_json()
    seal_checks(barcode, None, STORE, TODAY, LISTS)


@target(
    seeds=(
        b'{"data":{"hdr":{"t":"icao.test","v":1,"is":"UTO"},"msg":{"utci":"1"}},"sig":{"alg":"ES256","sigvl":"AAAA"}}',
    ),
    words=(b'"hdr"', b'"msg"', b'"sig"', b'"icao.vacc"', b'"ve"', b'"vd"', b'"pid"'),
    longest=8192,
)
def json_seals(data: bytes) -> None:
    barcodes(data)


@target(seeds=(*(text.encode() for text in IDB.values()), *HEALTH), words=(b"RDB1", b"NDB1", b"HC1:"))
def signed_texts(data: bytes) -> None:
    barcodes(data)


@target(seeds=CONTENTS, words=(b"\x61", b"\x7e", b"\x7f\x40", b"\x81", b"\x82", b"\x86\x01", b"\x84\x04\x00"))
def idb_contents(data: bytes) -> None:
    """Parse content of the ICAO Datastructure: signed, unsigned, and compressed."""
    for flag, content in (("A", data), ("B", data), ("D", zlib.compress(data, 1))):
        barcodes(f"RDB1{flag}{base64.b32encode(content).decode()}".encode())


@target(seeds=MESSAGES, words=(b"\xd2\x84", b"\xa1\x01\x26", b"\x39\x01\x03", b"\xc2\x58", b"\xfb", b"\xbf"))
def health_messages(data: bytes) -> None:
    """Parse a COSE message of a health certificate."""
    barcodes(b"HC1:" + simulated.base45(zlib.compress(data, 1)))


@target(seeds=MESSAGES, words=(b"\x04", b"\x06", b"\x39\x01\x03", b"\xc2\x58", b"\xc0\x74", b"\x9f", b"\xff"))
def health_claims(data: bytes) -> None:
    """Parse claims inside a message whose other parts are sound."""
    message = cbor2.dumps([cbor2.dumps({1: -7}), {}, data, bytes(64)])
    barcodes(b"HC1:" + simulated.base45(zlib.compress(message, 1)))


@target(SealError, seeds=[text[4:] for text in HEALTH], words=(b"%69 VD92EX0", b":::"))
def base45_texts(data: bytes) -> None:
    decompress(base45.decode(data.decode("latin-1")), 1 << 16)


@target(
    SealError, seeds=MESSAGES, words=(b"\x9b", b"\x5b", b"\xc4\x82", b"\xd8\x23", b"\xf9\x7e\x00", b"\x1b")
)
def cbor_values(data: bytes) -> None:
    cose.to_json(cose.load(data))


@target(
    seeds=(
        b'{"issued":"2024-05-20T00:00:00Z","certificates":[{"kid":"AAAAAAAAAAA=","rawData":"'
        + base64.b64encode(SIGNERS["KE"])
        + b'"}]}',
        b'{"verificationMethod":[{"id":"did:web:x:-:KEN:DSC#AAAAAAAAAAA%3D","publicKeyJwk":{"kty":"EC",'
        b'"crv":"P-256","x":"AQ","y":"Ag"}}],"proof":{"created":"2024-05-20T00:00:00Z"}}',
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(SIGNERS["AT"]) + b"-----END CERTIFICATE-----\n",
    ),
    words=(
        b'"x5c":["',
        b'"kid":',
        b'"n":',
        b'"RSA"',
        b'"publicKeyJwk":',
        b'"rawData":',
        b"-----BEGIN X-----\n",
    ),
    longest=8192,
)
def health_lists(data: bytes) -> None:
    HealthTrustLists.from_bytes(data, at=MADE)
