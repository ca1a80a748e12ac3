"""Personalisation: the data that an issuing office writes on a traveller's chip.

A `Profile` describes the kind of chip, an `IssuingState` signs, and the faults of issuing change the result.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TypeVar

from simulators.errors import SimulatorError
from simulators.mrz import Document, Format
from simulators.passport.chip import face, lds
from simulators.passport.chip.apdu import Randomness
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, STANDARDISED
from simulators.passport.chip.crypto.key_agreement import KeyPair
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import tlv
from simulators.passport.chip.faults import (
    AlteredGroup,
    AlteredSignature,
    ChipFault,
    ClonedChip,
    ComUnlikeSod,
    ExpiredSigner,
    ForeignState,
    IssuingFault,
    MrzUnlikePrint,
    NegativeModulus,
    RevokedSigner,
    UnknownCsca,
    WrongKey,
    WrongKeyIdentifier,
)
from simulators.passport.chip.file_system import (
    AID,
    ATR_INFO,
    CARD_ACCESS,
    CARD_SECURITY,
    COM,
    DIR,
    SOD,
    ElementaryFile,
    Readable,
    data_group_file,
)
from simulators.passport.chip.pki import cms
from simulators.passport.chip.pki.certificate import Certificate, Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.profile import (
    EXTENDED_REPLY,
    SHORT_REPLY,
    Access,
    ActiveAuthentication,
    Profile,
)
from simulators.passport.chip.protocols.active_authentication import (
    ActiveAuthenticationKey,
    EcKey,
    RsaKey,
    SignatureFormat,
)
from simulators.passport.chip.protocols.chip_authentication import ChipAuthenticationKey
from simulators.passport.chip.protocols.pace import Passwords, passwords
from simulators.passport.chip.protocols.security_infos import SECURITY_OBJECT, EcParameters, Mapping
from simulators.passport.chip.security_object import security_object

_F = TypeVar("_F", bound=IssuingFault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Personalisation:
    """All data of a chip, and of the document around it."""

    document: Document
    """The printed data."""
    profile: Profile
    signer: Certificate = field(repr=False)
    mrz_information: str = field(repr=False)
    """Input of the access keys; it is printed on the document unless `WrongKey` is injected."""
    passwords: Passwords = field(repr=False)
    master_file: tuple[ElementaryFile, ...] = field(repr=False)
    application: tuple[ElementaryFile, ...] = field(repr=False)
    chip_authentication: tuple[ChipAuthenticationKey, ...] = field(default=(), repr=False)
    active_authentication: ActiveAuthenticationKey | None = field(default=None, repr=False)
    mapping_key: KeyPair | None = field(default=None, repr=False)
    """The static key of PACE with Chip Authentication Mapping."""

    @property
    def maximum_reply(self) -> int:
        """Maximum number of bytes of a reply."""
        return EXTENDED_REPLY if self.profile.extended_length else SHORT_REPLY

    def file(self, file_id: int, *, in_application: bool = True) -> bytes:
        """Return the content of a file; raise KeyError if there is none."""
        files = self.application if in_application else self.master_file
        return {found.file_id: found.content for found in files}[file_id]


def personalise(
    document: Document,
    issuer: IssuingState,
    profile: Profile | None = None,
    faults: Iterable[ChipFault] = (),
    *,
    random: Randomness = secrets.token_bytes,
) -> Personalisation:
    """Write a chip. `random` makes the keys of Chip Authentication; the others come from the library.

    Raises SimulatorError for a document that has no chip and for faults that do not fit it.
    """
    profile = profile or Profile()
    altered_content = _IssuingFaults([fault for fault in faults if isinstance(fault, IssuingFault)])
    if document.format not in (Format.TD1, Format.TD2, Format.TD3):
        raise SimulatorError(f"a document of format {document.format} has no chip")
    if foreign := altered_content.by(ForeignState):
        document = replace(document, issuer=foreign.issuer)

    chip_keys = _chip_authentication_keys(profile, random)
    active_key = _active_authentication_key(profile)
    mapping_key = _mapping_key(profile, random)
    signer = _signer(issuer, altered_content)
    groups = _groups(document, profile, altered_content, signer.validity.start.date(), chip_keys, active_key)

    listed = set(groups)
    if unlike := altered_content.by(ComUnlikeSod):
        listed = listed - {unlike.missing} | ({unlike.extra} if unlike.extra else set())
    sod = security_object(groups, signer, profile.hash_name, profile.version)
    if altered_content.by(AlteredSignature):
        sod = sod[:-1] + bytes([sod[-1] ^ 1])
    if altered := altered_content.by(AlteredGroup):
        if altered.group not in groups:
            raise SimulatorError(f"altered-group: this chip has no DG{altered.group}")
        groups[altered.group] = _altered(document, profile, altered.group, groups[altered.group])

    application = [
        ElementaryFile(COM, lds.common(profile.version, sorted(listed))),
        ElementaryFile(SOD, sod),
        *(
            ElementaryFile(
                data_group_file(n), content, Readable.NEVER if n in (3, 4) else Readable.AFTER_ACCESS
            )
            for n, content in sorted(groups.items())
        ),
    ]
    bearer, can = document, profile.can
    if altered_content.by(WrongKey):
        bearer, can = _another_issuer(document), None if can is None else _another_number(can)
    information = lds.mrz_information(bearer)
    master_file = _master_file(profile, signer, mapping_key, chip_keys)
    if altered_content.by(ClonedChip):
        chip_keys, active_key = (
            _chip_authentication_keys(profile, random),
            _active_authentication_key(profile),
        )
        mapping_key = _mapping_key(profile, random)
    return Personalisation(
        document=document,
        profile=profile,
        signer=signer,
        mrz_information=information,
        passwords=passwords(information, can),
        master_file=master_file,
        application=tuple(application),
        chip_authentication=chip_keys,
        active_authentication=active_key,
        mapping_key=mapping_key,
    )


class _IssuingFaults:
    """The faults of issuing by kind."""

    def __init__(self, faults: list[IssuingFault]) -> None:
        self._faults = faults

    def by(self, kind: type[_F]) -> _F | None:
        return next((fault for fault in self._faults if isinstance(fault, kind)), None)


def _signer(issuer: IssuingState, altered_content: _IssuingFaults) -> Certificate:
    if altered_content.by(UnknownCsca):
        issuer = IssuingState.create(issuer.state, issuer.csca.key.scheme, now=issuer.now)
    scheme = issuer.document_signer.key.scheme
    if altered_content.by(ExpiredSigner):
        past = issuer.now - timedelta(days=40)
        validity = Validity.spanning(past, before=timedelta(days=200), after=timedelta(days=30))
        return issuer.new_document_signer(scheme, validity=validity)
    if altered_content.by(RevokedSigner):
        if issuer.revoked_signer is not None:
            return issuer.revoked_signer
        signer = issuer.new_document_signer(scheme)
        issuer.revoke(signer)
        return signer
    if altered_content.by(WrongKeyIdentifier):
        return issuer.new_document_signer(scheme, key_identifier=der.printable("key 1"))
    return issuer.document_signer


def _groups(
    document: Document,
    profile: Profile,
    altered_content: _IssuingFaults,
    issued: date,
    chip_keys: tuple[ChipAuthenticationKey, ...],
    active_key: ActiveAuthenticationKey | None,
) -> dict[int, bytes]:
    written = document
    if unlike := altered_content.by(MrzUnlikePrint):
        written = replace(document, surname=unlike.surname)
    groups = {1: lds.mrz_group(written), 2: _face_group(document, profile)}
    if profile.fingerprints:
        groups[3] = lds.protected_fingerprints()
    if profile.details:
        groups[11] = lds.personal_details(written, "Zenith")
        groups[12] = lds.document_details("Simulated Issuing Office", issued)
    infos = [info for key in chip_keys for info in key.infos]
    infos += active_key.infos if active_key else ()
    if profile.access in (Access.PACE, Access.BOTH):
        infos += [info.encoded for info in profile.pace]
    if chip_keys or (active_key and active_key.infos):
        groups[14] = lds.security_options(infos)
    if altered_content.by(NegativeModulus):
        if not isinstance(active_key, RsaKey):
            raise SimulatorError("negative-modulus: this chip has no RSA key in DG15")
        groups[15] = lds.active_authentication_key(active_key.negative_public_key_info)
    elif active_key:
        groups[15] = lds.active_authentication_key(active_key.public_key_info)
    return groups


def _face_group(document: Document, profile: Profile, *, other: bool = False) -> bytes:
    image = face.draw_face(f"{document.number}{' of another issuer' * other}", profile.image)
    return lds.face_group(document, image + bytes(profile.image_padding), profile.image)


def _altered(document: Document, profile: Profile, group: int, content: bytes) -> bytes:
    """Alter the name in the zone or the face in the picture; in other groups invert the last bit."""
    if group == 1:
        return lds.mrz_group(replace(document, surname="Falsified"))
    if group == 2:
        return _face_group(document, profile, other=True)
    return content[:-1] + bytes([content[-1] ^ 1])


def _master_file(
    profile: Profile,
    signer: Certificate,
    mapping_key: KeyPair | None,
    chip_keys: tuple[ChipAuthenticationKey, ...],
) -> tuple[ElementaryFile, ...]:
    files = [
        ElementaryFile(DIR, tlv(0x61, tlv(0x4F, AID)), Readable.ALWAYS),
        ElementaryFile(ATR_INFO, _atr_info(profile), Readable.ALWAYS),
    ]
    if profile.access in (Access.PACE, Access.BOTH):
        infos = der.set_of(*(info.encoded for info in profile.pace))
        files.append(ElementaryFile(CARD_ACCESS, infos, Readable.ALWAYS))
        if mapping_key is not None:
            keys = [*(key.public_key_info for key in chip_keys), _mapping_key_info(mapping_key, profile)]
            content = der.set_of(*(info.encoded for info in profile.pace), *keys)
            security = cms.signed_data(SECURITY_OBJECT, content, signer)
            files.append(ElementaryFile(CARD_SECURITY, security, Readable.AFTER_PACE))
    return tuple(files)


def _atr_info(profile: Profile) -> bytes:
    """Encode card capabilities (ISO/IEC 7816-4, 12.1.1.9) and any extended length (12.7.1)."""
    capabilities = tlv(0x47, bytes((0xE0, 0x01, 0xC0 if profile.extended_length else 0x80)))
    if not profile.extended_length:
        return capabilities
    longest = tlv(0x02, EXTENDED_REPLY.to_bytes(2, "big"))
    return capabilities + tlv(0x7F66, longest, longest)


def _chip_authentication_keys(profile: Profile, random: Randomness) -> tuple[ChipAuthenticationKey, ...]:
    group = STANDARDISED[BY_NAME[profile.chip_authentication_group]]
    several = len(profile.chip_authentication) > 1
    return tuple(
        ChipAuthenticationKey(
            KeyPair.generate(group, random), cipher, number if several else None, profile.key_parameters
        )
        for number, cipher in enumerate(profile.chip_authentication, start=1)
    )


def _active_authentication_key(profile: Profile) -> ActiveAuthenticationKey | None:
    match profile.active_authentication:
        case None:
            return None
        case ActiveAuthentication.RSA_SHA1:
            return RsaKey.generate(profile.active_authentication_bits, "sha1")
        case ActiveAuthentication.RSA_SHA256:
            return RsaKey.generate(profile.active_authentication_bits, "sha256")
        case kind:
            der_style = kind is ActiveAuthentication.ECDSA_DER
            by_number = profile.key_parameters is EcParameters.STANDARDISED
            return EcKey.generate(
                profile.active_authentication_curve,
                "sha256",
                EcParameters.EXPLICIT if by_number else profile.key_parameters,
                SignatureFormat.DER if der_style else SignatureFormat.PLAIN,
            )


def _mapping_key(profile: Profile, random: Randomness) -> KeyPair | None:
    """Return a key over the parameters of PACE with Chip Authentication Mapping, if the chip has it."""
    groups = {info.parameter_id for info in profile.pace if info.mapping is Mapping.CHIP_AUTHENTICATION}
    if not groups:
        return None
    return KeyPair.generate(STANDARDISED[min(groups)], random)


def _mapping_key_info(key: KeyPair, profile: Profile) -> bytes:
    number = BY_NAME[key.group.name]
    cipher = next(info.cipher for info in profile.pace if info.mapping is Mapping.CHIP_AUTHENTICATION)
    return ChipAuthenticationKey(key, cipher, number, profile.key_parameters).public_key_info


def _another_issuer(document: Document) -> Document:
    return replace(document, number=_another_number(document.number))


def _another_number(number: str) -> str:
    """Reverse the digits; if that changes nothing, change the first character."""
    turned = "".join(str(9 - int(c)) if c in "0123456789" else c for c in number)
    return turned if turned != number else "Z" + number[1:]
