"""Password Authenticated Connection Establishment, the chip's side (Doc 9303-11, 4.4)."""

import hashlib
import hmac
from collections.abc import Mapping as Lookup
from enum import IntEnum

from simulators.passport.chip.apdu import Randomness, RefusedError, Status
from simulators.passport.chip.crypto.ciphers import FOR_ENCRYPTION, FOR_MAC, FROM_PASSWORD, Cipher, pad
from simulators.passport.chip.crypto.curves import Curve
from simulators.passport.chip.crypto.key_agreement import KeyPair
from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import objects, parse_single, tlv
from simulators.passport.chip.protocols import pace_mapping
from simulators.passport.chip.protocols.secure_messaging import SecureMessaging
from simulators.passport.chip.protocols.security_infos import Mapping, PaceInfo

DYNAMIC_AUTHENTICATION_DATA = 0x7C
_GENERIC_NONCE_SIZE = 16


class Password(IntEnum):
    """Passwords of PACE, by their reference in MSE:Set AT."""

    MRZ = 1
    CAN = 2


Passwords = Lookup[Password, bytes]
"""Input of the nonce's key, by password."""


def passwords(mrz_information: str, can: str | None) -> Passwords:
    """Return the SHA-1 of the MRZ information, all 20 bytes; the CAN in ASCII (9.7.3)."""
    known = {Password.MRZ: hashlib.sha1(mrz_information.encode("ascii")).digest()}  # noqa: S324 - the standard's
    return known if can is None else known | {Password.CAN: can.encode("ascii")}


class Pace:
    """One run of the protocol, starting with MSE:Set AT. A refusal ends it."""

    def __init__(
        self, info: PaceInfo, password: bytes, random: Randomness, static_key: KeyPair | None
    ) -> None:
        self._info = info
        self._random = random
        self._static_key = static_key
        """The chip's own key, for the Chip Authentication Mapping."""
        self._password_key = info.cipher.derive(password, FROM_PASSWORD)
        self._steps = iter((self._nonce_out, self._map, self._agree, self._authenticate))
        self._done = 0
        self._nonce = b""
        self._mapped = info.group
        self._mapping_key: KeyPair | None = None
        self._own = self._theirs = self._secret = b""
        self.session: SecureMessaging | None = None
        """The session that begins after the last reply."""

    @classmethod
    def select(
        cls,
        data: bytes,
        infos: tuple[PaceInfo, ...],
        known: Passwords,
        random: Randomness,
        static_key: KeyPair | None,
    ) -> "Pace":
        """Handle MSE:Set AT: start the run; raise RefusedError with 6A80 or 6A88 if it is not supported."""
        try:
            objects_by_tag = dict(objects(data))
        except ValueError:
            raise RefusedError(Status.INCORRECT_DATA) from None
        if 0x80 not in objects_by_tag or 0x83 not in objects_by_tag:
            raise RefusedError(Status.INCORRECT_DATA)
        candidates = [info for info in infos if der.oid_value(info.oid) == objects_by_tag[0x80]]
        if not candidates:
            raise RefusedError(Status.INCORRECT_DATA)
        if 0x84 in objects_by_tag:
            parameter_id = int.from_bytes(objects_by_tag[0x84], "big")
            candidates = [info for info in candidates if info.parameter_id == parameter_id]
            if not candidates:
                raise RefusedError(Status.REFERENCED_DATA_NOT_FOUND)
        if len(candidates) > 1:
            raise RefusedError(Status.INCORRECT_DATA)
        password = next(
            (value for name, value in known.items() if bytes([name]) == objects_by_tag[0x83]), None
        )
        if password is None:
            raise RefusedError(Status.REFERENCED_DATA_NOT_FOUND)
        return cls(candidates[0], password, random, static_key)

    def general_authenticate(self, data: bytes, *, chained: bool) -> bytes:
        """Do the next step; raise RefusedError if it fails, with 6985 for a wrong chain of commands."""
        step = next(self._steps, None)
        self._done += 1
        if step is None or chained != (self._done < 4):
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
        try:
            content = list(objects(parse_single(data, DYNAMIC_AUTHENTICATION_DATA)))
            expected = [] if self._done == 1 else [0x7F + 2 * (self._done - 1)]
            if [tag for tag, _ in content] != expected:
                raise RefusedError(Status.INCORRECT_DATA)
            return tlv(DYNAMIC_AUTHENTICATION_DATA, step(content[0][1] if content else b""))
        except ValueError:
            raise RefusedError(Status.INCORRECT_DATA) from None

    def _nonce_out(self, _: bytes) -> bytes:
        cipher = self._info.cipher
        integrated = self._info.mapping is Mapping.INTEGRATED
        self._nonce = self._random(pace_mapping.nonce_size(cipher) if integrated else _GENERIC_NONCE_SIZE)
        return tlv(0x80, cipher.encrypt(self._password_key, self._nonce))

    def _map(self, theirs: bytes) -> bytes:
        group = self._info.group
        if self._info.mapping is Mapping.INTEGRATED:
            self._mapped = pace_mapping.map_integrated(group, self._info.cipher, self._nonce, theirs)
            return tlv(0x82)
        self._mapping_key = KeyPair.generate(group, self._random)
        self._mapped = pace_mapping.map_generic(group, self._nonce, self._mapping_key, theirs)
        return tlv(0x82, self._mapping_key.public)

    def _agree(self, theirs: bytes) -> bytes:
        own = KeyPair.generate(self._mapped, self._random)
        self._own, self._theirs = own.public, theirs
        self._secret = own.secret(theirs)
        if self._own == self._theirs:
            raise RefusedError(Status.AUTHENTICATION_FAILED)
        return tlv(0x84, self._own)

    def _authenticate(self, token: bytes) -> bytes:
        cipher = self._info.cipher
        mac_key = cipher.derive(self._secret, FOR_MAC)
        if not hmac.compare_digest(token, cipher.mac(mac_key, self._public_key_object(self._own))):
            raise RefusedError(Status.AUTHENTICATION_FAILED)
        self.session = SecureMessaging.from_shared_secret(cipher, self._secret)
        answer = tlv(0x86, cipher.mac(mac_key, self._public_key_object(self._theirs)))
        if self._info.mapping is Mapping.CHIP_AUTHENTICATION:
            answer += tlv(0x8A, self._chip_authentication_data(cipher))
        return answer

    def _public_key_object(self, public: bytes) -> bytes:
        tag = 0x86 if isinstance(self._info.group, Curve) else 0x84
        return tlv(0x7F49, der.oid(self._info.oid), tlv(tag, public))

    def _chip_authentication_data(self, cipher: Cipher) -> bytes:
        """Return the mapping key divided by the static one, encrypted (4.4.3.5): proof of the static key."""
        if self._static_key is None or self._mapping_key is None:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
        order = self._info.group.order
        quotient = self._mapping_key.private * pow(self._static_key.private, -1, order) % order
        key = cipher.derive(self._secret, FOR_ENCRYPTION)
        iv = cipher.encrypt(key, b"\xff" * cipher.block)
        return cipher.encrypt(
            key, pad(quotient.to_bytes(self._info.group.scalar_size, "big"), cipher.block), iv
        )
