"""Chip Authentication: the chip proves its static key by starting new session keys with it.

Source: ICAO Doc 9303-11, section 6.2; BSI TR-03110-1, section 3.4.
"""

from drivers.passport.emrtd.crypto.ciphers import AUTHENTICATION, ENCRYPTION, Suite
from drivers.passport.emrtd.crypto.key_agreement import (
    DhKeyAgreement,
    EcKeyAgreement,
    KeyAgreement,
    Randomness,
)
from drivers.passport.emrtd.crypto.public_keys import DhKey, EcKey, PublicKey
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import CommandRefusedError, UnsupportedError
from drivers.passport.emrtd.protocols.security_infos import (
    ChipAuthenticationInfo,
    ChipAuthenticationKey,
    SecurityInfos,
)
from drivers.passport.emrtd.transport.apdu import (
    GENERAL_AUTHENTICATE,
    MANAGE_SECURITY_ENVIRONMENT,
    SHORT_NE,
    Command,
)
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

_ANONYMOUS_3DES = ChipAuthenticationInfo("", Suite.TDES, None)


def choose(infos: SecurityInfos) -> tuple[ChipAuthenticationInfo, ChipAuthenticationKey]:
    """Choose the strongest suite and the key that belongs to it.

    Early chips state a key and no protocol, which means 3DES. Raises UnsupportedError when nothing fits.
    """
    ways = sorted(infos.chip_authentication, key=lambda i: (-i.suite.key_size, -i.suite.block_size))
    for info in ways or (_ANONYMOUS_3DES,):
        for key in infos.chip_authentication_keys:
            if (info.key_id is None or key.key_id in {None, info.key_id}) and _fits(info, key.key):
                return info, key
    raise UnsupportedError("DG14 states chip authentication and no key that fits it")


def perform(
    channel: Channel, info: ChipAuthenticationInfo, static: ChipAuthenticationKey, random: Randomness
) -> None:
    """Agree on new keys and put them into the channel.

    This alone proves nothing: only a chip that owns the static key can answer the next command. Raises
    CommandRefusedError and the channel's errors.
    """
    agreement, theirs = _agreement(static.key)
    private = agreement.private_key(random)
    public = agreement.public_key(private)
    if not info.protocol:
        _set_key_agreement(channel, public, static.key_id)
    else:
        try:
            _general_authenticate(channel, info, public)
        except CommandRefusedError:
            # Chips of the first generation state 3DES and support the older command only.
            if info.suite is not Suite.TDES:
                raise
            _set_key_agreement(channel, public, static.key_id)
    secret = agreement.shared_secret(private, theirs)
    channel.security = SecureMessaging(
        info.suite, info.suite.derive(secret, ENCRYPTION), info.suite.derive(secret, AUTHENTICATION)
    )


def _set_key_agreement(channel: Channel, public: bytes, key_id: int | None) -> None:
    """MSE:Set KAT, for 3DES only (9303-11, section 6.2.4)."""
    # An elliptic key keeps its leading 04 here, unlike in the shared secret.
    data = tlv.encode(0x91, public)
    if key_id is not None:
        data += tlv.encode(0x84, _octets(key_id))
    channel.command(Command(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x41, 0xA6, data))


def _general_authenticate(channel: Channel, info: ChipAuthenticationInfo, public: bytes) -> None:
    """MSE:Set AT and GENERAL AUTHENTICATE (9303-11, section 6.2.4)."""
    data = tlv.encode(0x80, der.encode_oid(info.protocol))
    if info.key_id is not None:
        data += tlv.encode(0x84, _octets(info.key_id))
    channel.command(Command(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x41, 0xA4, data))
    dynamic = tlv.encode(0x7C, tlv.encode(0x80, public))
    channel.command(Command(0x00, GENERAL_AUTHENTICATE, 0x00, 0x00, dynamic, ne=SHORT_NE))


def _agreement(key: PublicKey) -> tuple[KeyAgreement, bytes]:
    match key:
        case EcKey():
            return EcKeyAgreement.from_curve(key.curve), key.curve.encode(key.point)
        case DhKey():
            return DhKeyAgreement.from_group(key.group), key.group.encode(key.element)
        case _:
            raise UnsupportedError("chip authentication supports Diffie-Hellman keys only")


def _fits(info: ChipAuthenticationInfo, key: PublicKey) -> bool:
    """Compare the kind of key with the protocol: arc 1 is DH, 2 is ECDH."""
    if not info.protocol:
        return isinstance(key, EcKey | DhKey)
    kind = DhKey if info.protocol.split(".")[-2] == "1" else EcKey
    return isinstance(key, kind)


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")
