"""Basic Access Control: mutual authentication with keys from the printed zone.

Source: ICAO Doc 9303-11, section 4.3 and appendix D.
"""

from drivers.passport.emrtd.crypto.ciphers import AUTHENTICATION, ENCRYPTION, MAC_SIZE, Suite, is_equal
from drivers.passport.emrtd.crypto.key_agreement import Randomness
from drivers.passport.emrtd.errors import AccessDeniedError, CommandRefusedError, MalformedError
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.transport.apdu import EXTERNAL_AUTHENTICATE, GET_CHALLENGE, SELECT, Command
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

LDS_APPLICATION = bytes.fromhex("A0000002471001")
_SUITE = Suite.TDES
_CRYPTOGRAM = 32


def select_application(channel: Channel) -> None:
    """Select the eMRTD application (9303-10, section 3.6.1); raises CommandRefusedError without one."""
    channel.command(Command(0x00, SELECT, 0x04, 0x0C, LDS_APPLICATION))


def perform(channel: Channel, password: Password, random: Randomness) -> SecureMessaging:
    """Authenticate both ways and return the session; the application must be selected.

    Raises AccessDeniedError when the chip refuses the key or does not know it itself.
    """
    secret_key = _SUITE.derive(password.seed, ENCRYPTION)
    mac_key = _SUITE.derive(password.seed, AUTHENTICATION)
    chip_nonce = channel.command(Command(0x00, GET_CHALLENGE, 0x00, 0x00, ne=8))
    if len(chip_nonce) != 8:
        raise MalformedError("a challenge is not eight bytes")
    nonce, key_half = random(8), random(16)
    cryptogram = _SUITE.encrypt(secret_key, nonce + chip_nonce + key_half)
    data = cryptogram + _SUITE.mac(mac_key, cryptogram)
    try:
        answer = channel.command(Command(0x00, EXTERNAL_AUTHENTICATE, 0x00, 0x00, data, ne=len(data)))
    except CommandRefusedError:
        raise AccessDeniedError("the chip refuses the key of the printed zone") from None
    cryptogram, mac = answer[:_CRYPTOGRAM], answer[_CRYPTOGRAM:]
    if len(answer) != _CRYPTOGRAM + MAC_SIZE:
        raise MalformedError("an authentication answer is not forty bytes")
    if not is_equal(_SUITE.mac(mac_key, cryptogram), mac):
        raise AccessDeniedError("the chip does not have the key of the printed zone")
    plain = _SUITE.decrypt(secret_key, cryptogram)
    if plain[:16] != chip_nonce + nonce:
        raise AccessDeniedError("the chip answered another challenge")
    seed = bytes(ours ^ theirs for ours, theirs in zip(key_half, plain[16:], strict=True))
    return SecureMessaging(
        _SUITE,
        _SUITE.derive(seed, ENCRYPTION),
        _SUITE.derive(seed, AUTHENTICATION),
        chip_nonce[4:] + nonce[4:],
    )
