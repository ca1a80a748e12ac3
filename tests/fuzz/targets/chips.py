"""Chips: their answers, their files, and the certificates that operators load."""

import sys
from datetime import date
from pathlib import Path

from drivers.passport.emrtd import ChipResult, ChipSession, TrustStore
from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.face import face_image
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.lds import com_data_groups, dg1_lines, document_details, holder_details
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.security_object import SecurityObject
from drivers.passport.emrtd.pki.signed_data import SignedData
from drivers.passport.emrtd.protocols import active_authentication
from drivers.passport.emrtd.protocols.security_infos import SecurityInfos
from drivers.passport.emrtd.transport.files import ElementaryFile, longest_chunk
from drivers.passport.jpeg2000 import jpeg2000_to_jpeg
from drivers.passport.mrz.parser import parse
from fuzz.target import target

sys.path.append(str(Path(__file__).parents[2] / "drivers/passport/emrtd"))

from support.chips.certificates import Key, certificate, master_list, revocation_list, security_object
from test_emrtd_bac import EXTERNAL_AUTHENTICATE, GET_CHALLENGE, READ_COM, SELECT_APPLICATION
from test_emrtd_chip_authentication import AES_128_ECDH
from test_emrtd_files import block_39794, dg11, record_19794, wrapped
from test_emrtd_pace import DH_IM, ECDH_GM, G1_EXCHANGE

TODAY = date(2027, 3, 1)
ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
PRINTED = parse((ZONE[:44], ZONE[44:]), TODAY)
CSCA = certificate(Key("secp256r1"))
DSC = certificate(Key("brainpoolP256r1", explicit=True), issuer=CSCA, common="DSC")
CRL = revocation_list(CSCA, 7)
TRUST = TrustStore.from_bytes(CSCA.der, CRL)
FILES = {
    ElementaryFile.COM: encode(0x60, encode(0x5C, b"\x61\x75\x6b\x6e")),
    ElementaryFile.DG1: encode(0x61, encode(0x5F1F, ZONE.encode())),
    ElementaryFile.DG2: wrapped(record_19794(b"\xff\xd8\xff face", points=1)),
    ElementaryFile.DG11: dg11((0x5F0E, b"ERIKSSON<<ANNA"), (0x5F2B, b"19740812")),
    ElementaryFile.DG14: bytes.fromhex(AES_128_ECDH.dg14),
}
SOD = security_object({file.number: content for file, content in FILES.items() if file.number}, DSC, CSCA)
FILES[ElementaryFile.SOD] = SOD
AGAIN = b"|~|"
"""Separator between answers of a chip."""


@target(ChipError, seeds=FILES.values())
def files(data: bytes) -> None:
    """Run each parser separately, so that an error in one does not hide the others."""
    for read in (com_data_groups, dg1_lines, holder_details, document_details, face_image, longest_chunk):
        try:
            read(data)
        except ChipError:
            continue


@target(seeds=[bytes([n]) + content for n, content in enumerate(FILES.values())])
def verification(data: bytes) -> None:
    """Run all checks of a chip with one fuzzed file."""
    file = list(FILES)[data[0] % len(FILES)] if data else ElementaryFile.SOD
    result = InspectionResultBuilder(ChipEvidence({**FILES, file: data[1:]}), PRINTED, TRUST, TODAY).build(
        0, 0.0
    )
    result.model_dump_json()


@target(ChipError, seeds=(SOD,))
def sod(data: bytes) -> None:
    SecurityObject.parse(data)


@target(ChipError, seeds=(master_list((CSCA.der,), DSC, CSCA),))
def signed(data: bytes) -> None:
    SignedData.parse(data)


@target(ChipError, seeds=(CSCA.der, DSC.der))
def certificates(data: bytes) -> None:
    found = Certificate.parse(data)
    found.public_key()


@target(ChipError, seeds=(CRL,))
def revocations(data: bytes) -> None:
    RevocationList.parse(data)


@target(
    seeds=(CSCA.der, CRL, master_list((CSCA.der,), DSC, CSCA), b"-----BEGIN X-----\nMAA=\n-----END X-----\n")
)
def trust(data: bytes) -> None:
    TrustStore.from_bytes(data)


@target(ChipError, seeds=(bytes.fromhex(ECDH_GM), bytes.fromhex(DH_IM), FILES[ElementaryFile.DG14]))
def security_infos(data: bytes) -> None:
    for read in (SecurityInfos.from_card_access, SecurityInfos.from_dg14):
        try:
            read(data)
        except ChipError:
            continue


@target(ChipError, seeds=(encode(0x6F, DSC.key.info),))
def keys(data: bytes) -> None:
    active_authentication.public_key(data)


def _answers(*pairs: tuple[str, str]) -> bytes:
    return AGAIN.join(bytes.fromhex(answer) for _, answer in pairs)


NO_PACE = (("", "6A82"), ("", "6A82"))
WITH_PACE = (("", "9000"), ("", ECDH_GM[:8] + "9000"), ("", ECDH_GM[8:] + "9000"), ("", "6A82"))


@target(
    seeds=(
        _answers(*NO_PACE, SELECT_APPLICATION, GET_CHALLENGE, EXTERNAL_AUTHENTICATE, *READ_COM),
        _answers(*WITH_PACE, *G1_EXCHANGE, *READ_COM),
    ),
    words=(AGAIN, b"\x90\0", b"\x6a\x82", b"\x69\x82", b"\x63\0"),
)
def answers(data: bytes) -> None:
    """Run a whole session with a chip that gives these answers to any command."""
    pending = iter(data.split(AGAIN))
    fixed = bytes(range(64))
    *_, result = ChipSession(
        lambda command: next(pending, b"\x90\0"),
        today=TODAY,
        printed=PRINTED,
        trust=TRUST,
        random=lambda size: fixed[:size],
    ).run()
    assert isinstance(result, ChipResult)
    assert result.commands < 400


@target(
    seeds=(
        b"\xff\x4f\xff\x51\0\x2f\0\0\0\0\0\x08\0\0\0\x08",
        wrapped(block_39794(b"\xff\xd8\xff face"), 0x7F2E),
    )
)
def jpeg2000(data: bytes) -> None:
    jpeg2000_to_jpeg(data)
