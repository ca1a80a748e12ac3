"""Barcodes and the seals in them."""

import sys
from datetime import date
from pathlib import Path

from drivers.passport.emrtd import TrustStore
from drivers.passport.seals import parse_barcode
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.store import SealSignerStore
from fuzz.target import target

sys.path.append(str(Path(__file__).parents[2] / "drivers/passport/seals"))

from seal_samples import ADMINISTRATIVE, SEALGEN, TR, certificate

TODAY = date(2024, 6, 1)
STORE = SealSignerStore.from_bytes(
    certificate("sealgen_UTTS5B"),
    certificate("sealgen_DETS32"),
    trust=TrustStore.from_bytes(certificate("csca_aus")),
)


@target(
    seeds=(*SEALGEN.values(), *TR.values(), ADMINISTRATIVE),
    words=(b"\xdc\x02", b"\xdc\x03", b"\xff\x40"),
)
def barcodes(data: bytes) -> None:
    barcode = parse_barcode(data, None, TODAY)
    barcode.model_dump_json()
    seal_checks(barcode, None, STORE, TODAY)


@target(
    seeds=(
        b'{"data":{"hdr":{"t":"icao.test","v":1,"is":"UTO"},"msg":{"utci":"1"}},"sig":{"alg":"ES256","sigvl":"AAAA"}}',
    ),
    words=(b'"hdr"', b'"msg"', b'"sig"', b'"icao.vacc"', b'"ve"', b'"vd"', b'"pid"'),
    longest=8192,
)
def json_seals(data: bytes) -> None:
    barcodes(data)
