"""Active Authentication: the chip signs a challenge with a key that cannot be read out.

Source: ICAO Doc 9303-11, section 6.1; ISO/IEC 9796-2, digital signature scheme 1; BSI TR-03111, section 5.2.
"""

import hashlib

from drivers.passport.emrtd.crypto import ecdsa
from drivers.passport.emrtd.crypto.ciphers import is_equal
from drivers.passport.emrtd.crypto.key_agreement import Randomness
from drivers.passport.emrtd.crypto.public_keys import EcKey, PublicKey, RsaKey, parse_public_key
from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import UnsupportedError
from drivers.passport.emrtd.transport.apdu import EXTENDED_NE, INTERNAL_AUTHENTICATE, SHORT_NE, Command
from drivers.passport.emrtd.transport.secure_messaging import Channel

CHALLENGE_SIZE = 8
_MAX_SHORT_SIGNATURE_LENGTH = 0xDF
_DG15_TAG = 0x6F
# Trailers of ISO/IEC 9796-2: BC stands for SHA-1, otherwise CC after the number of the hash function.
_TRAILERS = {0x33: "sha1", 0x34: "sha256", 0x35: "sha512", 0x36: "sha384", 0x38: "sha224"}
_PLAIN_ECDSA = {
    f"0.4.0.127.0.7.1.1.4.1.{arc}": name
    for arc, name in enumerate(("sha1", "sha224", "sha256", "sha384", "sha512"), start=1)
}
_ANY_HASH = ("sha256", "sha1", "sha224", "sha384", "sha512")


def public_key(dg15: bytes) -> PublicKey:
    """Parse the key in DG15; raises MalformedError or UnsupportedError."""
    return parse_public_key(tlv.parse_whole(dg15, _DG15_TAG))


def internal_authenticate(
    channel: Channel, key: PublicKey, random: Randomness, *, extended: bool
) -> tuple[bytes, bytes]:
    """Request the signature of a challenge; return challenge and signature.

    `extended` is true when the chip may answer with more than a short APDU holds, which keys of more than
    1,784 bits need under secure messaging. Raises CommandRefusedError and the channel's errors.
    """
    challenge = random(CHALLENGE_SIZE)
    long_answer = extended and isinstance(key, RsaKey) and key.size > _MAX_SHORT_SIGNATURE_LENGTH
    ne = EXTENDED_NE if long_answer else SHORT_NE
    command = Command(0x00, INTERNAL_AUTHENTICATE, 0x00, 0x00, challenge, ne, long_answer)
    return challenge, channel.command(command)


def verify(key: PublicKey, challenge: bytes, signature: bytes, algorithm: str | None = None) -> bool:
    """Return true when a signature over a challenge is the key's; raises UnsupportedError for other keys.

    `algorithm` is the object identifier that DG14 states for ECDSA. Chips without it exist: then every
    permitted hash function is tried.
    """
    if isinstance(key, RsaKey):
        return _verify_rsa(key, challenge, signature)
    if isinstance(key, EcKey):
        names = (_PLAIN_ECDSA[algorithm],) if algorithm in _PLAIN_ECDSA else _ANY_HASH
        return any(_verify_ecdsa(key, hashlib.new(name, challenge).digest(), signature) for name in names)
    raise UnsupportedError("active authentication supports RSA and ECDSA keys only")


def _verify_rsa(key: RsaKey, challenge: bytes, signature: bytes) -> bool:
    """Recover the message and compare its hash (ISO/IEC 9796-2, section 8)."""
    number = int.from_bytes(signature, "big")
    if len(signature) != key.size or number >= key.modulus:
        return False
    opened = pow(number, key.exponent, key.modulus)
    # A signer may publish the smaller of the two roots; the right one ends in the nibble C.
    if opened % 16 != 0xC:
        opened = key.modulus - opened
    message = opened.to_bytes(key.size, "big")
    if message[-1] == 0xBC:
        name, trailer = "sha1", 1
    elif message[-1] == 0xCC and message[-2] in _TRAILERS:
        name, trailer = _TRAILERS[message[-2]], 2
    else:
        return False
    size = hashlib.new(name).digest_size
    recovered, digest = message[1 : -size - trailer], message[-size - trailer : -trailer]
    # 6A: part of the message is recovered from the signature, the challenge is the rest.
    if message[0] != 0x6A or len(digest) != size:
        return False
    return is_equal(hashlib.new(name, recovered + challenge).digest(), digest)


def _verify_ecdsa(key: EcKey, digest: bytes, signature: bytes) -> bool:
    """Try r||s as the standard requires, then the DER of some chips."""
    half, odd = divmod(len(signature), 2)
    plain = (int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    if not odd and half <= key.curve.size and ecdsa.verify(key, digest, *plain):
        return True
    pair = ecdsa.pair_from_der(signature)
    return pair is not None and ecdsa.verify(key, digest, *pair)
