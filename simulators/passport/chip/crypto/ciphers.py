"""The ciphers of secure messaging: two-key 3DES and AES, their MACs, and the keys derived for them.

Doc 9303-11: 9.7.1 (key derivation), 9.8.6 and 9.8.7 (3DES and AES). MACs are 8 bytes: the retail MAC (ISO/IEC
9797-1, algorithm 3, DES, IV 0), or CMAC truncated to 8 bytes.
"""

import hashlib
from enum import StrEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import ciphers
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

FOR_ENCRYPTION, FOR_MAC, FROM_PASSWORD = 1, 2, 3
"""The counters of key derivation."""

MAC_SIZE = 8


class Cipher(StrEnum):
    """A cipher with its key size."""

    TDES = "3DES"
    AES_128 = "AES-128"
    AES_192 = "AES-192"
    AES_256 = "AES-256"

    @property
    def suffix(self) -> int:
        """The last arc of the object identifiers of protocols that use it."""
        return list(Cipher).index(self) + 1

    @property
    def key_size(self) -> int:
        """Bytes of a key."""
        return {Cipher.AES_192: 24, Cipher.AES_256: 32}.get(self, 16)

    @property
    def block(self) -> int:
        """Bytes of a block."""
        return 8 if self is Cipher.TDES else 16

    def derive(self, secret: bytes, counter: int) -> bytes:
        """Derive a key from a shared secret or a password (9.7.1)."""
        digest = hashlib.sha1 if self.key_size == 16 else hashlib.sha256
        key = digest(secret + counter.to_bytes(4, "big")).digest()[: self.key_size]
        return _odd_parity(key) if self is Cipher.TDES else key

    def encrypt(self, key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
        """Encrypt with CBC, IV 0 unless given; `data` is whole blocks."""
        encryptor = self._cbc(key, iv).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
        """Reverse `encrypt`; raise ValueError if `data` is not whole blocks."""
        decryptor = self._cbc(key, iv).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Compute the MAC of an authentication token or of BAC; DES pads the data, CMAC does not."""
        if self is Cipher.TDES:
            return _retail_mac(key, pad(data, 8))
        cmac = CMAC(algorithms.AES(key))
        cmac.update(data)
        return cmac.finalize()[:MAC_SIZE]

    def message_mac(self, key: bytes, data: bytes) -> bytes:
        """Compute the MAC of a message, padded for either cipher (9.8.6.1, 9.8.7.2)."""
        return self.mac(key, data if self is Cipher.TDES else pad(data, 16))

    def _cbc(self, key: bytes, iv: bytes | None) -> "ciphers.Cipher[modes.CBC]":
        mode = modes.CBC(bytes(self.block) if iv is None else iv)
        if self is Cipher.TDES:
            return ciphers.Cipher(TripleDES(key + key[:8]), mode)
        return ciphers.Cipher(algorithms.AES(key), mode)


def pad(data: bytes, block: int) -> bytes:
    """Pad by ISO/IEC 9797-1 method 2: 80, then zeros to whole blocks."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes) -> bytes:
    """Remove that padding; raise ValueError if there is none."""
    stripped = data.rstrip(b"\x00")
    if not stripped.endswith(b"\x80"):
        raise ValueError("no padding")
    return stripped[:-1]


def _retail_mac(key: bytes, data: bytes) -> bytes:
    first, second = key[:8], key[8:16]
    chained = Cipher.TDES.encrypt(first + first, data)[-8:]
    return Cipher.TDES.encrypt(first + first, Cipher.TDES.decrypt(second + second, chained))


def _odd_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE | (byte >> 1).bit_count() + 1 & 1 for byte in key)
