"""Basic Access Control, the chip's side (Doc 9303-11, 4.3)."""

import hashlib
import hmac

from simulators.passport.chip.apdu import Randomness, RefusedError, Status
from simulators.passport.chip.crypto.ciphers import FOR_ENCRYPTION, FOR_MAC, MAC_SIZE, Cipher
from simulators.passport.chip.protocols.secure_messaging import SecureMessaging

CHALLENGE_SIZE = 8
_KEY_SIZE = 16
_CRYPTOGRAM_SIZE = 2 * CHALLENGE_SIZE + _KEY_SIZE


class BasicAccess:
    """The document's basic access keys, and the pending challenge."""

    def __init__(self, mrz_information: str, random: Randomness) -> None:
        seed = hashlib.sha1(mrz_information.encode("ascii")).digest()[:_KEY_SIZE]  # noqa: S324 - the standard's
        self._encryption_key = Cipher.TDES.derive(seed, FOR_ENCRYPTION)
        self._mac_key = Cipher.TDES.derive(seed, FOR_MAC)
        self._random = random
        self._challenge: bytes | None = None

    def challenge(self) -> bytes:
        """Handle GET CHALLENGE: return RND.IC, valid for one attempt."""
        self._challenge = self._random(CHALLENGE_SIZE)
        return self._challenge

    def authenticate(self, data: bytes) -> tuple[bytes, SecureMessaging]:
        """Handle EXTERNAL AUTHENTICATE: return the reply and the session that begins after it.

        RefusedError with 6985 without a challenge, 6700 for a wrong size, 6300 for a wrong key.
        """
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
        if len(data) != _CRYPTOGRAM_SIZE + MAC_SIZE:
            raise RefusedError(Status.WRONG_LENGTH)
        cryptogram, mac = data[:_CRYPTOGRAM_SIZE], data[_CRYPTOGRAM_SIZE:]
        plain = Cipher.TDES.decrypt(self._encryption_key, cryptogram)
        theirs, echo, key_part = plain[:8], plain[8:16], plain[16:]
        right = hmac.compare_digest(mac, Cipher.TDES.mac(self._mac_key, cryptogram))
        if not (right and hmac.compare_digest(echo, challenge)):
            raise RefusedError(Status.AUTHENTICATION_FAILED)

        own_part = self._random(_KEY_SIZE)
        answer = Cipher.TDES.encrypt(self._encryption_key, challenge + theirs + own_part)
        seed = bytes(a ^ b for a, b in zip(key_part, own_part, strict=True))
        session = SecureMessaging.from_shared_secret(Cipher.TDES, seed)
        session.counter = int.from_bytes(challenge[4:] + theirs[4:], "big")
        return answer + Cipher.TDES.mac(self._mac_key, answer), session
