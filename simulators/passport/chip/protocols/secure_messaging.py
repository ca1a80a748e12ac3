"""Secure messaging, the chip's side (Doc 9303-11, 9.8).

The send sequence counter is incremented before each command and before each reply. A malformed command ends
the session, with 6987 (a data object is missing) or 6988 (one is wrong).
"""

import hmac
from dataclasses import replace

from simulators.passport.chip.apdu import SECURE_MESSAGING, Command, RefusedError, Reply, Status
from simulators.passport.chip.crypto.ciphers import FOR_ENCRYPTION, FOR_MAC, MAC_SIZE, Cipher, pad, unpad
from simulators.passport.chip.encoding.tlv import objects, tlv

CRYPTOGRAM_ODD, CRYPTOGRAM, EXPECTED, MAC, STATUS = 0x85, 0x87, 0x97, 0x8E, 0x99
"""The data objects: 85 carries the cryptogram of commands with odd INS, 87 that of all others."""

_ORDER = (CRYPTOGRAM_ODD, CRYPTOGRAM, EXPECTED, MAC)
"""Required order (9.8.4)."""

_STATUS_AND_MAC = 4 + 2 + MAC_SIZE
_PADDED = b"\x01"


class SecureMessaging:
    """One session: its two keys and its counter."""

    def __init__(self, cipher: Cipher, encryption_key: bytes, mac_key: bytes, counter: int = 0) -> None:
        self.cipher = cipher
        self.counter = counter
        self._encryption_key, self._mac_key = encryption_key, mac_key

    @classmethod
    def from_shared_secret(cls, cipher: Cipher, secret: bytes) -> "SecureMessaging":
        """Create the session after a key agreement; its counter starts at 0."""
        return cls(cipher, cipher.derive(secret, FOR_ENCRYPTION), cipher.derive(secret, FOR_MAC))

    def unwrap(self, command: Command) -> Command:
        """Return the protected command; raise RefusedError with 6987 or 6988 if the protection is invalid."""
        self.counter += 1
        parts = self._parts(command.data)
        protected = b"".join(tlv(tag, parts[tag]) for tag in parts if tag != MAC)
        header = pad(bytes((command.cla, command.ins, command.p1, command.p2)), self.cipher.block)
        expected = {self._mac(header + protected)}
        if not protected:
            # A header alone is whole blocks already. Terminals differ on whether it is padded once more, as
            # the worked examples have no such command; this chip accepts both.
            expected.add(self._mac_of_blocks(header))
        if not any(hmac.compare_digest(parts[MAC], mac) for mac in expected):
            raise RefusedError(Status.SM_OBJECTS_INCORRECT)
        cryptogram = parts.get(CRYPTOGRAM_ODD if command.ins & 1 else CRYPTOGRAM)
        if cryptogram is None and (CRYPTOGRAM in parts or CRYPTOGRAM_ODD in parts):
            raise RefusedError(Status.SM_OBJECTS_INCORRECT)
        return replace(
            command,
            cla=command.cla & ~SECURE_MESSAGING,
            data=b"" if cryptogram is None else self._decrypt(cryptogram, padded=not command.ins & 1),
            ne=self._expected(parts.get(EXPECTED)),
        )

    def wrap(self, reply: Reply, *, odd: bool) -> Reply:
        """Protect a reply; `odd` for a command with odd INS."""
        self.counter += 1
        body = b""
        if reply.data:
            cryptogram = self.cipher.encrypt(
                self._encryption_key, pad(reply.data, self.cipher.block), self._initial_vector()
            )
            body = tlv(CRYPTOGRAM_ODD, cryptogram) if odd else tlv(CRYPTOGRAM, _PADDED, cryptogram)
        body += tlv(STATUS, reply.status.to_bytes(2, "big"))
        return Reply(body + tlv(MAC, self._mac(body)), reply.status)

    def max_data_bytes(self, limit: int) -> int:
        """Return the number of data bytes that fit a reply whose protected form has at most `limit` bytes."""
        value = limit - _STATUS_AND_MAC - 2
        value -= 0 if value < 0x80 else 1 if value <= 0x100 else 2
        return (value - len(_PADDED)) // self.cipher.block * self.cipher.block - 1

    def _parts(self, data: bytes) -> dict[int, bytes]:
        try:
            found = list(objects(data))
        except ValueError:
            raise RefusedError(Status.SM_OBJECTS_INCORRECT) from None
        parts = dict(found)
        if MAC not in parts:
            raise RefusedError(Status.SM_OBJECTS_MISSING)
        places = [_ORDER.index(tag) if tag in _ORDER else -1 for tag, _ in found]
        if places != sorted(set(places)) or -1 in places:
            raise RefusedError(Status.SM_OBJECTS_INCORRECT)
        return parts

    def _expected(self, value: bytes | None) -> int | None:
        if value is None:
            return None
        if len(value) not in (1, 2):
            raise RefusedError(Status.SM_OBJECTS_INCORRECT)
        return int.from_bytes(value, "big") or 1 << 8 * len(value)

    def _decrypt(self, cryptogram: bytes, *, padded: bool) -> bytes:
        if padded:
            if not cryptogram.startswith(_PADDED):
                raise RefusedError(Status.SM_OBJECTS_INCORRECT)
            cryptogram = cryptogram[1:]
        try:
            return unpad(self.cipher.decrypt(self._encryption_key, cryptogram, self._initial_vector()))
        except ValueError:
            raise RefusedError(Status.SM_OBJECTS_INCORRECT) from None

    def _initial_vector(self) -> bytes | None:
        """Return zeros for 3DES; for AES the encrypted counter (9.8.7.1)."""
        if self.cipher is Cipher.TDES:
            return None
        return self.cipher.encrypt(self._encryption_key, self._counter())

    def _counter(self) -> bytes:
        block = self.cipher.block
        return (self.counter % (1 << 8 * block)).to_bytes(block, "big")

    def _mac(self, message: bytes) -> bytes:
        return self.cipher.message_mac(self._mac_key, self._counter() + message)

    def _mac_of_blocks(self, blocks: bytes) -> bytes:
        """Compute the MAC of padded data; the padding is removed first because the MAC adds it again."""
        return self.cipher.message_mac(self._mac_key, unpad(self._counter() + blocks))
