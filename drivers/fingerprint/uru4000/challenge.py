"""Challenge and response that wake the Microsoft reader v2: AES-128 with a fixed key."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CHALLENGE_BYTES = 16
_KEY = bytes.fromhex("79ac9179 5ca1478e 98e00f3c 598f5f4b")
"""The same in every driver and every reader: no protection against attackers."""


def challenge_response(challenge: bytes) -> bytes:
    """Return the response to a challenge of 16 bytes: the one block, encrypted."""
    encryptor = Cipher(algorithms.AES(_KEY), modes.ECB()).encryptor()  # noqa: S305 - their choice, one block
    return encryptor.update(challenge) + encryptor.finalize()
