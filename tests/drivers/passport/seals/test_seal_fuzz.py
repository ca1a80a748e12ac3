"""Mutated barcodes and certificates: typed errors and outcomes only, in bounded time and memory.

`BORDERPOST_FUZZ` sets the number of mutations of the seeded run; the seed is the name of the target.
"""

import os
import time
import tracemalloc
from contextlib import suppress
from datetime import date
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seal_samples import ADMINISTRATIVE, SEALGEN, TR, WITH_FACE, certificate, nc

from drivers.observation import Outcome
from drivers.passport.emrtd import TrustStore
from drivers.passport.mrz.parser import parse
from drivers.passport.seals import BarcodeKind, SealError, vds, vds_nc
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.payload import MAX_BARCODE_BYTES, parse_barcode
from drivers.passport.seals.store import SealSignerStore
from simulators.passport.seals import SymbolEncoding

MUTATIONS = int(os.environ.get("BORDERPOST_FUZZ", "1000"))
TODAY = date(2024, 6, 1)
MAX_MUTATION_S = 3.0
"""Upper bound on the time of one mutation, even on a busy machine, in seconds."""
STORE = SealSignerStore.from_bytes(
    certificate("sealgen_UTTS5B"),
    certificate("sealgen_DETS32"),
    trust=TrustStore.from_bytes(certificate("csca_aus")),
)
PRINTED = parse(("ATD<<RESIDORCE<<ROLAND<<<<<<<<<<<<<<", "6525845096USA7008038M2201018<<<<<<06"), TODAY)
assert PRINTED is not None

TARGETS = {
    **{f"SEALGEN {name}": seal for name, seal in SEALGEN.items()},
    **{f"TR {name}": seal for name, seal in TR.items()},
    "with a face": WITH_FACE,
    "administrative": ADMINISTRATIVE,
    **{f"by {handover}": handover.encode_bytes(SEALGEN["residence permit"]) for handover in SymbolEncoding},
    **{name: nc(name) for name in ("proof_of_test", "proof_of_vaccination", "proof_of_vaccination_aus")},
    "zone": b"\r\n".join(line.encode() for line in PRINTED.lines),
}


def mutated(whole: bytes, chance: Random) -> bytes:
    """Flip, cut, double, stretch lengths, or write another byte, once or a few times."""
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                del data[at : at + chance.choice((1, 2, 16))]
            case 1:
                data[at:at] = chance.randbytes(chance.choice((1, 2, 16)))
            case 2:
                data[at:at] = data[at : at + chance.choice((2, 8, 64))]
            case 3 if at < len(data):
                data[at] = chance.choice((0x00, 0x22, 0x5B, 0x7B, 0x80, 0x81, 0x82, 0xDC, 0xFE, 0xFF))
            case 4:
                del data[at:]
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def checks_of(data: bytes) -> tuple[BarcodeKind, dict[str, Outcome]]:
    started = time.monotonic()
    barcode = parse_barcode(data, None, TODAY)
    checks = seal_checks(barcode, PRINTED, STORE, TODAY)
    assert time.monotonic() - started < MAX_MUTATION_S, data.hex()
    assert len(barcode.model_dump_json()) < 8 * MAX_BARCODE_BYTES
    is_dated = barcode.kind in {BarcodeKind.IDB, BarcodeKind.HEALTH_CERTIFICATE}
    assert len(checks) == 5 + is_dated
    return barcode.kind, {check.id: check.outcome for check in checks}


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_barcodes(target: str) -> None:
    whole = TARGETS[target]
    checks_of(whole)
    chance = Random(target)
    for _ in range(max(1, MUTATIONS // len(TARGETS))):
        data = mutated(whole, chance)
        kind, outcomes = checks_of(data)
        assert Outcome.UNKNOWN not in outcomes.values()
        # White space in JSON or at the end, and the text encoding, are not part of the signed bytes.
        if kind is BarcodeKind.VDS and data[:1] == b"\xdc" and data.rstrip(b"\r\n\0") != whole:
            assert outcomes["seal.signature"] is not Outcome.SUCCESSFUL


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\xdc\x03" + tail))
@example(b"HC0:")
@settings(max_examples=200)
def test_anything_is_read_as_something(data: bytes) -> None:
    kind, outcomes = checks_of(data)
    assert kind is not BarcodeKind.UNKNOWN
    assert outcomes["seal.signature"] is not Outcome.SUCCESSFUL


@given(st.data())
@settings(max_examples=150)
def test_parsers_raise_typed_errors_only(data: st.DataObject) -> None:
    header = SEALGEN["residence permit"][:18]
    rest = data.draw(st.binary(max_size=80))
    text = data.draw(st.text(max_size=80).map(lambda inner: f'{{"data":{{"hdr":{inner}'))
    for attempt in (
        lambda: vds.parse(header + rest, TODAY),
        lambda: vds.parse(rest, TODAY),
        lambda: vds_nc.parse(text),
    ):
        with suppress(SealError):
            attempt()


@pytest.mark.parametrize(
    "data",
    [
        b'{"data":{"hdr":' + b"[" * 1_000_000,
        b'{"data":{"hdr":' + b"[" * (MAX_BARCODE_BYTES - 20),
        b'{"data":{"hdr":' + b"9" * (MAX_BARCODE_BYTES - 20),
        b"\xdc\x03" + b"\x00" * 1_000_000,
        b"3A" + b"M" * (MAX_BARCODE_BYTES - 2),
        b"3QB" + b"a" * (MAX_BARCODE_BYTES - 3),
        b"<" * MAX_BARCODE_BYTES,
        b"\xc3\x9c" * (MAX_BARCODE_BYTES // 2),
    ],
    ids=lambda data: data[:16].hex(),
)
def test_hostile_size_costs_little(data: bytes) -> None:
    tracemalloc.start()
    try:
        checks_of(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * 1024 * 1024
