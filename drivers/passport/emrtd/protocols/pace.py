"""Password Authenticated Connection Establishment.

Source: ICAO Doc 9303-11, section 4.4 and appendices G to I. Generic and integrated mapping; of the chip
authentication mapping the access is used and the proof of the chip is ignored.
"""

from drivers.passport.emrtd.crypto.ciphers import AUTHENTICATION, ENCRYPTION, Suite, is_equal
from drivers.passport.emrtd.crypto.key_agreement import KeyAgreement, Randomness
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import AccessDeniedError, CommandRefusedError, MalformedError
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.protocols.security_infos import PaceInfo
from drivers.passport.emrtd.transport.apdu import (
    GENERAL_AUTHENTICATE,
    MANAGE_SECURITY_ENVIRONMENT,
    SHORT_NE,
    Command,
)
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

_DYNAMIC_DATA = 0x7C
_NONCE, _MAPPING, _MAPPING_ANSWER, _KEY, _KEY_ANSWER, _TOKEN, _TOKEN_ANSWER = range(0x80, 0x87)
_PUBLIC_KEY = 0x7F49
_WRONG_PASSWORD = 0x6300
_PASSWORD_BLOCKED = frozenset({0x6983, 0x6984, 0x6985})


def perform(
    channel: Channel,
    info: PaceInfo,
    password: Password,
    random: Randomness,
    *,
    ambiguous: bool = False,
) -> SecureMessaging:
    """Run PACE in the master file and return the session.

    `ambiguous` sends the domain parameters too, for a chip that offers the protocol over several. Raises
    AccessDeniedError when the password is not the chip's, CommandRefusedError when it refuses earlier.
    """
    _select(channel, info, password, ambiguous=ambiguous)
    nonce = info.suite.decrypt(password.pace_key(info.suite), _nonce(channel, info.suite))
    mapped = _map(channel, info, nonce, random)

    private = mapped.private_key(random)
    public = mapped.public_key(private)
    theirs = _step(channel, tlv.encode(_KEY, public), _KEY_ANSWER)
    if theirs == public:
        raise MalformedError("the chip sent our own key back")
    secret = mapped.shared_secret(private, theirs)
    secret_key = info.suite.derive(secret, ENCRYPTION)
    mac_key = info.suite.derive(secret, AUTHENTICATION)

    ours = token(info.suite, mac_key, info.protocol, mapped, theirs)
    try:
        answer = _step(channel, tlv.encode(_TOKEN, ours), _TOKEN_ANSWER, last=True)
    except CommandRefusedError as refusal:
        if refusal.status & 0xFFF0 == 0x63C0 or refusal.status in {_WRONG_PASSWORD, *_PASSWORD_BLOCKED}:
            raise AccessDeniedError("the chip refuses the password") from None
        raise
    if not is_equal(answer, token(info.suite, mac_key, info.protocol, mapped, public)):
        raise AccessDeniedError("the chip does not have the password")
    return SecureMessaging(info.suite, secret_key, mac_key)


def token(suite: Suite, mac_key: bytes, protocol: str, agreement: KeyAgreement, public: bytes) -> bytes:
    """Authenticate the other side's public key (9303-11, section 4.4.3.4)."""
    key = tlv.encode(der.OID, der.encode_oid(protocol)) + tlv.encode(agreement.token_tag, public)
    return suite.mac(mac_key, tlv.encode(_PUBLIC_KEY, key))


def _select(channel: Channel, info: PaceInfo, password: Password, *, ambiguous: bool) -> None:
    data = tlv.encode(0x80, der.encode_oid(info.protocol)) + tlv.encode(0x83, bytes([password.reference]))
    if ambiguous:
        data += tlv.encode(0x84, bytes([info.parameter_id]))
    command = Command(0x00, MANAGE_SECURITY_ENVIRONMENT, 0xC1, 0xA4, data)
    response = channel.exchange(command)
    # 63Cx only counts the remaining tries.
    if response.status & 0xFFF0 != 0x63C0:
        response.raise_for_status(command)


def _nonce(channel: Channel, suite: Suite) -> bytes:
    encrypted = _step(channel, b"", _NONCE)
    if not 16 <= len(encrypted) <= 32 or len(encrypted) % suite.block_size:
        raise MalformedError("an encrypted nonce has an invalid length")
    return encrypted


def _map(channel: Channel, info: PaceInfo, nonce: bytes, random: Randomness) -> KeyAgreement:
    """Agree on a generator that can only be computed with the nonce."""
    agreement = info.agreement
    if info.mapping == "im":
        terminal_nonce = random(info.suite.key_size)
        _exchange(channel, tlv.encode(_MAPPING, terminal_nonce))
        return agreement.map_integrated(info.suite, nonce, terminal_nonce)
    private = agreement.private_key(random)
    public = agreement.public_key(private)
    theirs = _step(channel, tlv.encode(_MAPPING, public), _MAPPING_ANSWER)
    if theirs == public:
        raise MalformedError("the chip sent our own key back")
    return agreement.map_generic(nonce, private, theirs)


def _step(channel: Channel, data: bytes, answer: int, *, last: bool = False) -> bytes:
    """Run one GENERAL AUTHENTICATE and return the data object of its answer."""
    return tlv.required(_exchange(channel, data, last=last), answer)


def _exchange(channel: Channel, data: bytes, *, last: bool = False) -> tuple[tlv.Tlv, ...]:
    command = Command(0x00, GENERAL_AUTHENTICATE, 0x00, 0x00, tlv.encode(_DYNAMIC_DATA, data), ne=SHORT_NE)
    answer = channel.command(command if last else command.chained())
    # Some chips answer the integrated mapping with no data at all.
    return tlv.children(tlv.parse_value(answer, _DYNAMIC_DATA), most=8) if answer else ()
