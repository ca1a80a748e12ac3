"""The logical data structure: content of the files of the eMRTD application (Doc 9303-10, 4.6 and 4.7)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from simulators.mrz import Document
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import tlv
from simulators.passport.chip.face import HEIGHT, WIDTH, ImageFormat
from simulators.passport.chip.file_system import TAGS

UNICODE_VERSION = "040000"
_FULL_FRONTAL, _CAMERA = 1, 2
_SRGB = 1
_GENDER = {"M": 1, "F": 2}


@dataclass(frozen=True, slots=True)
class LdsVersion:
    """A version of the structure; from 1.8 on the security object repeats it (Doc 9303-10, 4.7.2)."""

    text: str = "0107"
    security_object: int = 0


VERSION_1_7 = LdsVersion()
VERSION_1_8 = LdsVersion("0108", 1)


def common(version: LdsVersion, present: Iterable[int]) -> bytes:
    """Encode EF.COM: the versions and the list of data groups."""
    return tlv(
        0x60,
        tlv(0x5F01, version.text.encode()),
        tlv(0x5F36, UNICODE_VERSION.encode()),
        tlv(0x5C, bytes(TAGS[number] for number in present)),
    )


def mrz_group(document: Document) -> bytes:
    """Encode DG1: the machine readable zone, its lines joined."""
    return tlv(TAGS[1], tlv(0x5F1F, "".join(document.lines).encode("ascii")))


def face_group(document: Document, image: bytes, image_format: ImageFormat) -> bytes:
    """Encode DG2: one ISO/IEC 19794-5 record in a biometric information template of ISO/IEC 7816-11."""
    header = tlv(
        0xA1,
        tlv(0x80, b"\x01\x01"),
        tlv(0x81, b"\x02"),
        tlv(0x87, b"\x01\x01"),
        tlv(0x88, b"\x00\x08"),
    )
    template = tlv(0x7F60, header, tlv(0x5F2E, face_record(document, image, image_format)))
    return tlv(TAGS[2], tlv(0x7F61, tlv(0x02, b"\x01"), template))


def face_record(document: Document, image: bytes, image_format: ImageFormat) -> bytes:
    """Encode ISO/IEC 19794-5:2005, 5.3 to 5.7: record header, facial and image information, image."""
    gender = _GENDER.get(document.sex, 0)
    information = bytes(2) + bytes([gender, 0, 0]) + bytes(3) + bytes(2) + bytes(3) + bytes(3)
    picture = (
        bytes([_FULL_FRONTAL, image_format.data_type])
        + WIDTH.to_bytes(2, "big")
        + HEIGHT.to_bytes(2, "big")
        + bytes([_SRGB, _CAMERA])
        + bytes(2)
        + bytes(2)
    )
    block = (
        (4 + len(information) + len(picture) + len(image)).to_bytes(4, "big") + information + picture + image
    )
    return b"FAC\x00010\x00" + (14 + len(block)).to_bytes(4, "big") + (1).to_bytes(2, "big") + block


def personal_details(document: Document, place_of_birth: str) -> bytes:
    """Encode DG11: the name in full letters, the whole date of birth if known, and a place."""
    full_name = f"{document.surname}<<{document.given_names.replace(' ', '<')}".encode()
    parts = [(0x5F0E, full_name)]
    if "<" not in document.birth:
        parts.append((0x5F2B, f"{_century(document.birth)}{document.birth}".encode()))
    parts.append((0x5F11, place_of_birth.encode()))
    return _tagged(TAGS[11], parts)


def document_details(authority: str, issued: date) -> bytes:
    """Encode DG12: the issuing authority and the date of issue."""
    return _tagged(TAGS[12], [(0x5F19, authority.encode()), (0x5F26, f"{issued:%Y%m%d}".encode())])


def security_options(infos: Iterable[bytes]) -> bytes:
    """Encode DG14: SecurityInfos."""
    return tlv(TAGS[14], der.set_of(*infos))


def active_authentication_key(public_key_info: bytes) -> bytes:
    """Encode DG15."""
    return tlv(TAGS[15], public_key_info)


def protected_fingerprints() -> bytes:
    """Encode DG3: a template without any instance, which only the issuer's partners may read."""
    return tlv(TAGS[3], tlv(0x7F61, tlv(0x02, b"\x00"), tlv(0x53, b"\x5a" * 8)))


def mrz_information(document: Document) -> str:
    """Return number, birth and expiry with their check digits, input of the access keys (Doc 9303-11, 4.3.2).

    A long number counts in full, with its digit in the zone.
    """
    # A terminal computes with the digits as the zone prints them.
    first, second, *_ = document.lines
    if len(document.lines) == 3:
        number, rest, life = first[5:15], first[15:30], second
    else:
        number, rest, life = second[:10], second[28:35], second[13:]
    if number.endswith("<") and len(document.number) > 9:
        spilled = rest.split("<")[0]
        number = number[:9] + spilled
    return number + life[:7] + life[8:15]


def _tagged(tag: int, parts: list[tuple[int, bytes]]) -> bytes:
    listed = b"".join(number.to_bytes(2, "big") for number, _ in parts)
    return tlv(tag, tlv(0x5C, listed), *(tlv(number, value) for number, value in parts))


def _century(yymmdd: str) -> str:
    return "19" if int(yymmdd[:2]) > 26 else "20"
