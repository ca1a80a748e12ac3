"""Cipher suites of eMRTDs: key derivation, CBC encryption and message authentication.

Source: ICAO Doc 9303-11, section 9.7.1 (derivation) and section 9.8 (secure messaging); ISO/IEC 9797-1, MAC
algorithm 3 and padding method 2; NIST SP 800-38B (CMAC). Documents still use 3DES.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.passport.emrtd.errors import MalformedError

MAC_SIZE = 8
ENCRYPTION, AUTHENTICATION, PASSWORD = 1, 2, 3
"""Counters of the key derivation function: K_Enc, K_MAC and K_pi."""


@dataclass(frozen=True, slots=True)
class _Kind:
    block: int
    key: int
    digest: str


class Suite(Enum):
    """A block cipher with its key length, and the MAC that goes with it."""

    TDES = _Kind(block=8, key=16, digest="sha1")
    AES_128 = _Kind(block=16, key=16, digest="sha1")
    AES_192 = _Kind(block=16, key=24, digest="sha256")
    AES_256 = _Kind(block=16, key=32, digest="sha256")

    @property
    def block_size(self) -> int:
        """Block length in bytes."""
        return self.value.block

    @property
    def key_size(self) -> int:
        """Key length in bytes; of 3DES the two keys that are kept."""
        return self.value.key

    def derive(self, secret: bytes, counter: int) -> bytes:
        """Derive a key from a shared secret (9303-11, section 9.7.1.1)."""
        hashed = hashlib.new(self.value.digest, secret + counter.to_bytes(4, "big")).digest()
        key = hashed[: self.key_size]
        return _odd_parity(key) if self is Suite.TDES else key

    def encrypt(self, key: bytes, plain: bytes, iv: bytes | None = None) -> bytes:
        """Encrypt whole blocks in CBC mode; the default IV is zero."""
        encryptor = self._cipher(key, iv).encryptor()
        return encryptor.update(plain) + encryptor.finalize()

    def decrypt(self, key: bytes, secret: bytes, iv: bytes | None = None) -> bytes:
        """Decrypt whole blocks in CBC mode; raises MalformedError when they are not whole."""
        if len(secret) % self.block_size:
            raise MalformedError("a cryptogram is not made of whole blocks")
        decryptor = self._cipher(key, iv).decryptor()
        return decryptor.update(secret) + decryptor.finalize()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Authenticate: retail MAC for 3DES (which pads), CMAC cut to eight bytes for AES."""
        if self is Suite.TDES:
            return _retail_mac(key, pad(data, 8))
        code = CMAC(algorithms.AES(key))
        code.update(data)
        return code.finalize()[:MAC_SIZE]

    def _cipher(self, key: bytes, iv: bytes | None) -> Cipher[modes.CBC]:
        mode = modes.CBC(iv or bytes(self.block_size))
        if self is Suite.TDES:
            # Two-key 3DES: K1 K2 K1.
            return Cipher(TripleDES(key + key[:8]), mode)
        return Cipher(algorithms.AES(key), mode)


def is_equal(one: bytes, other: bytes) -> bool:
    """Compare authenticators in constant time."""
    return hmac.compare_digest(one, other)


def pad(data: bytes, block: int) -> bytes:
    """Append 80 and zeros up to a whole block (ISO/IEC 9797-1, padding method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes) -> bytes:
    """Remove the padding; raises MalformedError when there is none."""
    stripped = data.rstrip(b"\0")
    if not stripped.endswith(b"\x80"):
        raise MalformedError("decrypted data does not end in padding")
    return stripped[:-1]


def _odd_parity(key: bytes) -> bytes:
    """Set the parity bits of DES keys (9303-11, section 9.7.1.2); they matter only in comparisons."""
    return bytes(octet ^ (octet.bit_count() + 1 & 1) for octet in key)


def _retail_mac(key: bytes, blocks: bytes) -> bytes:
    """MAC algorithm 3: CBC under K1, then the last block decrypted under K2 and encrypted under K1."""
    first, second = key[:8], key[8:]
    # A single DES key three times over is single DES.
    chain = Cipher(TripleDES(first * 3), modes.CBC(bytes(8))).encryptor()
    last = (chain.update(blocks) + chain.finalize())[-8:]
    back = Cipher(TripleDES(second * 3), modes.CBC(bytes(8))).decryptor()
    last = back.update(last) + back.finalize()
    again = Cipher(TripleDES(first * 3), modes.CBC(bytes(8))).encryptor()
    return again.update(last) + again.finalize()
