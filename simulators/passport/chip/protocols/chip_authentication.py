"""Chip Authentication, the chip's side (Doc 9303-11, 6.2): an agreement with a key that cannot be copied."""

from dataclasses import dataclass

from simulators.passport.chip.apdu import RefusedError, Status
from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.crypto.curves import ModpGroup
from simulators.passport.chip.crypto.key_agreement import KeyPair
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import objects, parse_single, tlv
from simulators.passport.chip.protocols.pace import DYNAMIC_AUTHENTICATION_DATA
from simulators.passport.chip.protocols.secure_messaging import SecureMessaging
from simulators.passport.chip.protocols.security_infos import (
    CHIP_AUTHENTICATION,
    EcParameters,
    chip_authentication_info,
    chip_authentication_public_key_info,
    public_key_info,
)


@dataclass(frozen=True, slots=True)
class ChipAuthenticationKey:
    """A static key of the chip and the cipher of the session that it starts."""

    pair: KeyPair
    cipher: Cipher
    key_id: int | None = None
    parameters: EcParameters = EcParameters.EXPLICIT

    @property
    def oid(self) -> str:
        """The protocol's object identifier."""
        return (
            f"{CHIP_AUTHENTICATION}.{1 if isinstance(self.pair.group, ModpGroup) else 2}.{self.cipher.suffix}"
        )

    @property
    def public_key_info(self) -> bytes:
        """The key in EF.CardSecurity and DG14."""
        key = public_key_info(self.pair.group, self.pair.public, self.parameters)
        return chip_authentication_public_key_info(self.pair.group, key, self.key_id)

    @property
    def infos(self) -> tuple[bytes, bytes]:
        """The two SecurityInfos of DG14."""
        return self.public_key_info, chip_authentication_info(self.pair.group, self.cipher, self.key_id)


class ChipAuthentication:
    """State of the protocol in a session."""

    def __init__(self, keys: tuple[ChipAuthenticationKey, ...]) -> None:
        self._keys = keys
        self._chosen: ChipAuthenticationKey | None = None

    def set_authentication_template(self, data: bytes) -> None:
        """Handle MSE:Set AT: select protocol and key; raise RefusedError with 6A80 or 6A88 if absent."""
        objects_by_tag = _parse_template(data, 0x80)
        candidates = [key for key in self._keys if der.oid_value(key.oid) == objects_by_tag[0x80]]
        if not candidates:
            raise RefusedError(Status.INCORRECT_DATA)
        self._chosen = _single(candidates, objects_by_tag)

    def general_authenticate(self, data: bytes) -> tuple[bytes, SecureMessaging]:
        """Handle GENERAL AUTHENTICATE: return the reply and the session that begins after it."""
        chosen, self._chosen = self._chosen, None
        if chosen is None:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
        try:
            theirs = parse_single(parse_single(data, DYNAMIC_AUTHENTICATION_DATA), 0x80)
        except ValueError:
            raise RefusedError(Status.INCORRECT_DATA) from None
        return tlv(DYNAMIC_AUTHENTICATION_DATA), _session(chosen, theirs)

    def set_key_agreement_template(self, data: bytes) -> SecureMessaging:
        """Handle MSE:Set KAT: the whole protocol in one command, for 3DES; return the session after it."""
        objects_by_tag = _parse_template(data, 0x91)
        candidates = [key for key in self._keys if key.cipher is Cipher.TDES]
        if not candidates:
            raise RefusedError(Status.INCORRECT_DATA)
        return _session(_single(candidates, objects_by_tag), objects_by_tag[0x91])


def _parse_template(data: bytes, needed: int) -> dict[int, bytes]:
    try:
        objects_by_tag = dict(objects(data))
    except ValueError:
        raise RefusedError(Status.INCORRECT_DATA) from None
    if needed not in objects_by_tag:
        raise RefusedError(Status.INCORRECT_DATA)
    return objects_by_tag


def _single(
    candidates: list[ChipAuthenticationKey], objects_by_tag: dict[int, bytes]
) -> ChipAuthenticationKey:
    if 0x84 in objects_by_tag:
        key_id = int.from_bytes(objects_by_tag[0x84], "big")
        candidates = [key for key in candidates if key.key_id == key_id]
    if len(candidates) != 1:
        raise RefusedError(Status.REFERENCED_DATA_NOT_FOUND)
    return candidates[0]


def _session(key: ChipAuthenticationKey, theirs: bytes) -> SecureMessaging:
    try:
        return SecureMessaging.from_shared_secret(key.cipher, key.pair.secret(theirs))
    except ValueError:
        raise RefusedError(Status.INCORRECT_DATA) from None
