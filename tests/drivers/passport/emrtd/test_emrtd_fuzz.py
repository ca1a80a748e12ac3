"""Mutated answers, files and certificates: typed errors and outcomes only, in bounded time.

`BORDERPOST_FUZZ` sets the number of mutations of the seeded run; the seed is in the name of a failing test.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips.certificates import Key, certificate, master_list, revocation_list, security_object
from test_emrtd_bac import EXTERNAL_AUTHENTICATE, GET_CHALLENGE, RANDOM, READ_COM, SELECT_APPLICATION
from test_emrtd_chip_authentication import AES_128_ECDH, TDES_NOT_STATED
from test_emrtd_files import block_39794, dg11, record_19794, wrapped
from test_emrtd_pace import DH_IM, ECDH_GM, G1_EXCHANGE, G1_RANDOM

from drivers.observation import Outcome
from drivers.passport.emrtd import ChipResult, ChipSession, TrustStore
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.protocols import active_authentication
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.protocols.security_infos import SecurityInfos
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.mrz.parser import parse

MUTATIONS = int(os.environ.get("BORDERPOST_FUZZ", "1000"))
TODAY = date(2027, 3, 1)
MAX_MUTATION_S = 3.0
"""Upper bound on the time of one mutation, even on a busy machine, in seconds."""

CSCA = certificate(Key("secp256r1"))
DSC = certificate(Key("brainpoolP256r1", explicit=True), issuer=CSCA, common="DSC")
CRL = revocation_list(CSCA, 7)
TRUST = TrustStore.from_bytes(CSCA.der, CRL)
ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
FILES = {
    ElementaryFile.COM: encode(0x60, encode(0x5C, b"\x61\x75\x6b\x6e")),
    ElementaryFile.DG1: encode(0x61, encode(0x5F1F, ZONE.encode())),
    ElementaryFile.DG2: wrapped(record_19794(b"\xff\xd8\xff face", points=1)),
    ElementaryFile.DG11: dg11((0x5F0E, b"ERIKSSON<<ANNA"), (0x5F2B, b"19740812")),
    ElementaryFile.DG14: bytes.fromhex(AES_128_ECDH.dg14),
    ElementaryFile.DG15: encode(0x6F, DSC.key.info),
}
FILES[ElementaryFile.SOD] = security_object(
    {file.number: content for file, content in FILES.items() if file.number}, DSC, CSCA
)
PRINTED = parse((ZONE[:44], ZONE[44:]), TODAY)


def mutated(whole: bytes, chance: Random) -> bytes:
    """Flip, cut, double, swap, stretch lengths, or write another byte, once or a few times."""
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
                data[at] = chance.choice((0x00, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xFF))
            case 4:
                del data[at:]
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def build_result(files: dict[ElementaryFile, bytes]) -> ChipResult:
    return InspectionResultBuilder(ChipEvidence(files), PRINTED, TRUST, TODAY).build(0, 0.0)


def tolerate(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def attempt(data: bytes) -> None:
        with suppress(ChipError):
            read(data)

    return attempt


def build_without_raising(file: ElementaryFile) -> Callable[[bytes], None]:
    def attempt(data: bytes) -> None:
        result = build_result({**FILES, file: data})
        assert all(check.outcome is not Outcome.UNKNOWN for check in result.checks)
        if data != FILES[file] and file.number:
            assert f"chip.data_group_hash.DG{file.number}" in {
                check.id for check in result.checks if check.outcome is Outcome.FAILED
            }

    return attempt


def refused_by(data: bytes) -> None:
    TrustStore.from_bytes(data)


DG15_KEY = active_authentication.public_key(FILES[ElementaryFile.DG15])
TARGETS: dict[str, tuple[bytes, Callable[[bytes], None]]] = {
    **{file.name: (content, build_without_raising(file)) for file, content in FILES.items()},
    "a face of ISO 39794": (
        wrapped(block_39794(b"\xff\xd8\xff face"), 0x7F2E),
        build_without_raising(ElementaryFile.DG2),
    ),
    "a certificate": (DSC.der, tolerate(Certificate.parse)),
    "a revocation list": (CRL, tolerate(RevocationList.parse)),
    "a master list": (master_list((CSCA.der,), DSC, CSCA), refused_by),
    "EF.CardAccess": (bytes.fromhex(ECDH_GM), tolerate(SecurityInfos.from_card_access)),
    "EF.CardAccess of a group": (bytes.fromhex(DH_IM), tolerate(SecurityInfos.from_card_access)),
    "DG14 with a key only": (bytes.fromhex(TDES_NOT_STATED.dg14), tolerate(SecurityInfos.from_dg14)),
    "the key of DG15": (FILES[ElementaryFile.DG15], tolerate(active_authentication.public_key)),
    "a signature": (
        bytes(range(64)),
        tolerate(lambda data: active_authentication.verify(DG15_KEY, bytes(8), data)),
    ),
}


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_files_and_certificates(target: str) -> None:
    whole, attempt = TARGETS[target]
    attempt(whole)
    chance = Random(target)
    for _ in range(MUTATIONS // len(TARGETS)):
        data = mutated(whole, chance)
        started = time.monotonic()
        attempt(data)
        assert time.monotonic() - started < MAX_MUTATION_S, data.hex()


def conversation(pairs: list[tuple[str, str]], chance: Random, rate: float) -> Callable[[bytes], bytes]:
    """Build a chip that returns recorded answers to any command, and corrupts some of them."""
    pending = iter([bytes.fromhex(answer) for _, answer in pairs])

    def transmit(command: bytes) -> bytes:
        answer = next(pending, b"\x6f\x00")
        return mutated(answer, chance) if chance.random() < rate else answer

    return transmit


NO_PACE = [("", "6A82"), ("", "6A82")]
WITH_PACE = [("", "9000"), ("", ECDH_GM[:8] + "9000"), ("", ECDH_GM[8:] + "9000"), ("", "6A82")]
CONVERSATIONS = {
    "BAC": ([*NO_PACE, SELECT_APPLICATION, GET_CHALLENGE, EXTERNAL_AUTHENTICATE, *READ_COM], RANDOM),
    "PACE": ([*WITH_PACE, *G1_EXCHANGE, *READ_COM], G1_RANDOM),
}
PASSWORDS = {
    "BAC": Password.from_fields("L898902C", "690806", "940623"),
    "PACE": Password.from_fields("T22000129", "640812", "101031"),
}


@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_mutated_answers(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, numbers = CONVERSATIONS[protocol]
    monkeypatch.setattr(ChipSession, "_passwords", lambda self: (PASSWORDS[protocol],))
    chance = Random(protocol)
    for _ in range(MUTATIONS // 20):
        drawn = iter([bytes.fromhex(number) for number in numbers])
        started = time.monotonic()
        *_, result = ChipSession(
            conversation(pairs, chance, 0.3),
            today=TODAY,
            trust=TRUST,
            random=lambda size, drawn=drawn: next(drawn, chance.randbytes(size)),
        ).run()
        assert time.monotonic() - started < MAX_MUTATION_S
        assert isinstance(result, ChipResult)


@given(st.lists(st.binary(max_size=64), max_size=12))
@settings(max_examples=200)
def test_chip_that_says_anything(answers: list[bytes]) -> None:
    pending = iter(answers)
    *_, result = ChipSession(
        lambda command: next(pending, b"\x90\x00"), today=TODAY, printed=PRINTED, trust=TRUST
    ).run()
    assert isinstance(result, ChipResult)
    assert result.commands < 200


@given(st.data())
@settings(max_examples=150)
def test_security_object_with_replaced_piece(data: st.DataObject) -> None:
    sod = FILES[ElementaryFile.SOD]
    start = data.draw(st.integers(0, len(sod)))
    stop = data.draw(st.integers(start, min(start + 40, len(sod))))
    piece = data.draw(st.binary(max_size=40))
    altered = sod[:start] + piece + sod[stop:]
    result = build_result({**FILES, ElementaryFile.SOD: altered})
    outcomes = {check.id: check.outcome for check in result.checks}
    # Only the signed part is protected; other parts may change without harm.
    assert outcomes["chip.sod_signature"] in {Outcome.SUCCESSFUL, Outcome.FAILED, Outcome.UNDETERMINED}
