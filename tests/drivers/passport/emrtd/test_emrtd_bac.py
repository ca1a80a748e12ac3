"""Basic Access Control and 3DES secure messaging as worked through in ICAO Doc 9303-11, appendix D."""

import pytest
from support.chips.replay import drawn, replayed

from drivers.passport.emrtd.crypto.ciphers import AUTHENTICATION, ENCRYPTION, Suite, pad
from drivers.passport.emrtd.errors import AccessDeniedError, MalformedError, UnsupportedError
from drivers.passport.emrtd.protocols import bac
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

ERIKSSON = Password.from_fields("L898902C", "690806", "940623")
SELECT_APPLICATION = ("00A4040C07A0000002471001", "9000")
GET_CHALLENGE = ("0084000008", "4608F919887022129000")
EXTERNAL_AUTHENTICATE = (
    "008200002872C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A728",
    "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D74499000",
)
RANDOM = ["781723860C06C226", "0B795240CB7049B01C19B33E32804F0B"]
READ_COM = [
    ("0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "990290008E08FA855A5D4C50A8ED9000"),
    ("0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000"),
    (
        "0CB000040D9701128E082EA28A70F3C7B53500",
        "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000",
    ),
]


def authenticated(answer: str) -> SecureMessaging:
    channel = Channel(replayed([GET_CHALLENGE, (EXTERNAL_AUTHENTICATE[0], answer)]))
    return bac.perform(channel, ERIKSSON, drawn(RANDOM))


def test_bac_keys_from_zone() -> None:
    assert ERIKSSON.secret == "L898902C<369080619406236"
    assert ERIKSSON.seed.hex().upper() == "239AB9CB282DAF66231DC5A4DF6BFBAE"
    assert Suite.TDES.derive(ERIKSSON.seed, ENCRYPTION).hex().upper() == "AB94FDECF2674FDFB9B391F85D7F76F2"
    assert (
        Suite.TDES.derive(ERIKSSON.seed, AUTHENTICATION).hex().upper() == "7962D9ECE03D1ACD4C76089DCE131543"
    )


def test_long_number_counts_in_full() -> None:
    assert Password.from_fields("D23145890734", "340712", "950712").secret == "D23145890734934071279507122"


def test_bac_cryptogram_and_mac() -> None:
    key, mac_key = (Suite.TDES.derive(ERIKSSON.seed, counter) for counter in (ENCRYPTION, AUTHENTICATION))
    plain = bytes.fromhex("781723860C06C2264608F919887022120B795240CB7049B01C19B33E32804F0B")
    cryptogram = Suite.TDES.encrypt(key, plain)
    assert cryptogram.hex().upper() == EXTERNAL_AUTHENTICATE[0][10:74]
    assert Suite.TDES.mac(mac_key, cryptogram).hex().upper() == "5F1448EEA8AD90A7"
    answer = bytes.fromhex(EXTERNAL_AUTHENTICATE[1])[:32]
    assert Suite.TDES.decrypt(key, answer).hex().upper() == (
        "4608F91988702212781723860C06C2260B4F80323EB3191CB04970CB4052790B"
    )
    assert Suite.TDES.mac(mac_key, answer).hex().upper() == "2F2D235D074D7449"


def test_bac_session_keys_and_counter() -> None:
    session = authenticated(EXTERNAL_AUTHENTICATE[1])
    assert session._secret_key.hex().upper() == "979EC13B1CBFE9DCD01AB0FED307EAE5"
    assert session._mac_key.hex().upper() == "F1CB1F1FB5ADF208806B89DC579DC1F8"
    assert session.counter.hex().upper() == "887022120C06C226"


def test_whole_example_reads_ef_com() -> None:
    channel = Channel(replayed([SELECT_APPLICATION, GET_CHALLENGE, EXTERNAL_AUTHENTICATE, *READ_COM]))
    bac.select_application(channel)
    channel.security = bac.perform(channel, ERIKSSON, drawn(RANDOM))

    reading = files.read(channel, ElementaryFile.COM)
    seen = []
    while True:
        try:
            seen.append(next(reading).bytes_read)
        except StopIteration as end:
            content = end.value
            break

    assert content.hex().upper() == "60145F0104303130365F36063034303030305C026175"
    assert seen == [4, 22]
    assert channel.security.counter.hex().upper() == "887022120C06C22C"


def test_first_protected_command() -> None:
    key = bytes.fromhex("979EC13B1CBFE9DCD01AB0FED307EAE5")
    mac_key = bytes.fromhex("F1CB1F1FB5ADF208806B89DC579DC1F8")
    assert pad(bytes.fromhex("011E"), 8).hex().upper() == "011E800000000000"
    assert Suite.TDES.encrypt(key, pad(bytes.fromhex("011E"), 8)).hex().upper() == "6375432908C044F6"
    signed = bytes.fromhex("887022120C06C2270CA4020C800000008709016375432908C044F6")
    assert Suite.TDES.mac(mac_key, signed).hex().upper() == "BF8B92D635FF24F8"


@pytest.mark.parametrize("status", ["6300", "6982", "6985", "6988"])
def test_refused_key_denies_access(status: str) -> None:
    with pytest.raises(AccessDeniedError):
        authenticated(status)


@pytest.mark.parametrize("at", [0, 31, 32, 39])
def test_altered_answer_denies_access(at: int) -> None:
    answer = bytearray.fromhex(EXTERNAL_AUTHENTICATE[1])
    answer[at] ^= 1
    with pytest.raises(AccessDeniedError):
        authenticated(answer.hex())


def test_wrong_challenge_denies_access() -> None:
    key, mac_key = (Suite.TDES.derive(ERIKSSON.seed, counter) for counter in (ENCRYPTION, AUTHENTICATION))
    cryptogram = Suite.TDES.encrypt(key, bytes(32))
    with pytest.raises(AccessDeniedError, match="another challenge"):
        authenticated((cryptogram + Suite.TDES.mac(mac_key, cryptogram)).hex() + "9000")


@pytest.mark.parametrize("answer", ["00" * 39 + "9000", "00" * 41 + "9000", "9000"])
def test_answer_of_wrong_length_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedError):
        authenticated(answer)


def test_challenge_of_wrong_length_is_malformed() -> None:
    with pytest.raises(MalformedError):
        bac.perform(Channel(replayed([("0084000008", "46089000")])), ERIKSSON, drawn(RANDOM))


@pytest.mark.parametrize("number", ["", "12345A", "1" * 17, "\u0661\u0662"])
def test_no_access_number_but_digits(number: str) -> None:
    with pytest.raises(UnsupportedError):
        Password.from_can(number)


def test_unreadable_field_is_unsupported() -> None:
    with pytest.raises(UnsupportedError) as refused:
        Password.from_fields("L8989?2C", "690806", "940623")
    assert "L89" not in str(refused.value)


def test_password_never_shows_itself() -> None:
    assert "L898902C" not in repr(ERIKSSON)
    assert "AB94" not in repr(authenticated(EXTERNAL_AUTHENTICATE[1])).upper()
