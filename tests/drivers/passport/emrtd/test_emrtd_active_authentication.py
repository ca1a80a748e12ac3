"""Active Authentication: a recorded signature of a real chip, and every scheme with keys made here."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from support.chips.replay import drawn, replayed

from drivers.passport.emrtd.crypto import ecdsa
from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.crypto.curves import CURVES
from drivers.passport.emrtd.crypto.groups import Group
from drivers.passport.emrtd.crypto.public_keys import DhKey, EcKey, RsaKey, parse_public_key
from drivers.passport.emrtd.errors import CommandRefusedError, UnsupportedError
from drivers.passport.emrtd.protocols import active_authentication
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

CHALLENGE = bytes.fromhex("96302B0F3D7E7864")
# A session with a chip that signs with 1,856 bits; published with the tests of gmrtd (MIT).
DG15 = bytes.fromhex(
    "6F8201023081FF300D06092A864886F70D01010105000381ED003081E90281E100BB8F93F4DC95E205CDA17C6927AB1E"
    "365B13065D03CD12E0FCE95D96840529453202F56CC4C13F77CD062930C8BC89A2873B257045C286E601CF3C09323A53"
    "103314902804AA10A314628CE222206A8866946A36B442041BB54AC81E6855DD1D6E16101833D65A191C20AC8B33B8A1"
    "A32920F46043F8031CF2BC17417030865FC5BE5A39DEE423BCBA3CA8177168EB23CFE01BA43EC87711B1CFFF85DB46F3"
    "00DD8AE317B50D543B573E119E23AF7070D0B2FED6A3B2313A5EC02A531AAED1741F4390D1013E2A0F081EAC5DC8B0A1"
    "B2C6BDB1206F08D30E3643E1E5BDF536110203010001"
)
EXCHANGE = [
    (
        "0C88000020871101ED7F8CB47A4EEA086324A7F9DD7427809701008E0897F54BAE49AA71F800",
        (
            "8781E901D04CA80F527DF94F4A430D3D6E6CB6C2AF4C6756C068A93132D147FA27833125304132981B8BD8009448E89F"
            "259EEC8552B54285CEF9D8F1B7FB31B9F279221C7E925F4951811F3FE2E01D76E68DBC7CDE9C873C5F61862F3C546979"
            "2A72F92C8943B890436F5E9FEAEAD9F2A361FCD7A615493D1B3519865F32EE9A125886588EB21FEE0E709353D0731139"
            "FDC958D6B2127FAD6947B438998B526819803F70F78614CD42F4A6619C6AF95DFD2AB09BEDF71E707ABC39A250AEE680"
            "06D522AD37D159674984A07D11C001022C853AEB7ACDB059EDE5721A3B9F20441BDA7E242EE8DF1369D2531699029000"
            "8E08FD2493147866F0ED9000"
        ),
    )
]


def recorded() -> Channel:
    channel = Channel(replayed(EXCHANGE))
    channel.security = SecureMessaging(
        Suite.TDES,
        bytes.fromhex("B99D546108EAA251570876B6D3456DCE"),
        bytes.fromhex("E3857CA24946251C151C540E13F2CD51"),
        bytes.fromhex("00000000000000CC"),
    )
    return channel


def test_recorded_chip_proves_itself() -> None:
    key = active_authentication.public_key(DG15)
    assert isinstance(key, RsaKey)
    challenge, signature = active_authentication.internal_authenticate(
        recorded(), key, drawn([CHALLENGE.hex()]), extended=False
    )
    assert challenge == CHALLENGE
    assert signature.hex().startswith("474256306840c0ab1b63c10e1c26bdfe")
    assert active_authentication.verify(key, challenge, signature)
    assert not active_authentication.verify(key, bytes(8), signature)
    assert not active_authentication.verify(key, challenge, signature[:-1] + b"\0")
    assert not active_authentication.verify(key, challenge, signature[:-1])


def rsa_pair() -> tuple[RsaKey, rsa.RSAPrivateKey]:
    private = rsa.generate_private_key(65537, 1024)
    info = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = parse_public_key(info)
    assert isinstance(key, RsaKey)
    return key, private


RSA_KEY, RSA_PRIVATE = rsa_pair()
TRAILERS = {"sha1": "BC", "sha224": "38CC", "sha256": "34CC", "sha384": "36CC", "sha512": "35CC"}


def sign_9796(name: str, trailer: bytes, header: int = 0x6A, challenge: bytes = CHALLENGE) -> int:
    size = hashlib.new(name).digest_size
    recoverable = bytes(range(128 - 1 - size - len(trailer)))
    message = bytes([header]) + recoverable + hashlib.new(name, recoverable + challenge).digest() + trailer
    numbers = RSA_PRIVATE.private_numbers()
    return pow(int.from_bytes(message, "big"), numbers.d, numbers.public_numbers.n)


@pytest.mark.parametrize("name", TRAILERS)
def test_rsa_with_every_trailer(name: str) -> None:
    signature = sign_9796(name, bytes.fromhex(TRAILERS[name]))
    assert active_authentication.verify(RSA_KEY, CHALLENGE, signature.to_bytes(128, "big"))
    # The other root, which a signer may publish when it is the smaller one.
    other = RSA_KEY.modulus - signature
    assert active_authentication.verify(RSA_KEY, CHALLENGE, other.to_bytes(128, "big"))
    assert not active_authentication.verify(RSA_KEY, bytes(8), signature.to_bytes(128, "big"))


@pytest.mark.parametrize(
    "signature",
    [
        sign_9796("sha256", b"\x31\xcc"),
        sign_9796("sha256", b"\x34\xcc", header=0x4A),
        sign_9796("sha256", b"\x34\xbd"),
        sign_9796("sha256", b"\x34\xcc", challenge=b"othersay"),
        0,
        1,
        RSA_KEY.modulus - 1,
    ],
    ids=["trailer", "header", "last byte", "challenge", "zero", "one", "minus one"],
)
def test_rsa_signatures_that_are_none(signature: int) -> None:
    assert not active_authentication.verify(RSA_KEY, CHALLENGE, signature.to_bytes(128, "big"))


def test_rsa_signature_beyond_modulus() -> None:
    for number in (RSA_KEY.modulus, RSA_KEY.modulus + 1, (1 << 1024) - 1):
        assert not active_authentication.verify(RSA_KEY, CHALLENGE, number.to_bytes(128, "big"))


EC_PRIVATE = ec.generate_private_key(ec.BrainpoolP256R1())
_NUMBERS = EC_PRIVATE.public_key().public_numbers()
EC_KEY = EcKey(next(c for c in CURVES if c.name == "brainpoolP256r1"), (_NUMBERS.x, _NUMBERS.y))


@pytest.mark.parametrize(
    ("arc", "function"),
    [
        (1, hashes.SHA1()),
        (2, hashes.SHA224()),
        (3, hashes.SHA256()),
        (4, hashes.SHA384()),
        (5, hashes.SHA512()),
    ],
)
def test_ecdsa_plain_and_in_der(arc: int, function: hashes.HashAlgorithm) -> None:
    der = EC_PRIVATE.sign(CHALLENGE, ec.ECDSA(function))
    plain = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
    stated = f"0.4.0.127.0.7.1.1.4.1.{arc}"
    for signature in (der, plain):
        for algorithm in (stated, None, "1.2.3"):
            assert active_authentication.verify(EC_KEY, CHALLENGE, signature, algorithm)
        assert not active_authentication.verify(EC_KEY, bytes(8), signature, stated)
        assert not active_authentication.verify(EC_KEY, CHALLENGE, signature, f"{stated[:-1]}{arc % 5 + 1}")


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\xff" * 64, b"\x30\x00", bytes(63), bytes(500)])
def test_ecdsa_signatures_that_are_none(signature: bytes) -> None:
    assert not active_authentication.verify(EC_KEY, CHALLENGE, signature)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_arithmetic_agrees_on_every_curve(curve: object) -> None:
    # Sign with our own numbers, and verify with OpenSSL when it has the curve.
    private, nonce = 0x1234567**3, 0x7654321**3
    digest = hashlib.sha512(CHALLENGE).digest()
    number = int.from_bytes(digest, "big") >> max(0, 512 - curve.order.bit_length())
    r = curve.multiply(nonce, curve.generator)[0] % curve.order
    s = pow(nonce, -1, curve.order) * (number + r * private) % curve.order
    key = EcKey(curve, curve.multiply(private, curve.generator))
    assert ecdsa.verify(key, digest, r, s)
    assert ecdsa.verify_in_python(key, digest, r, s)
    assert not ecdsa.verify(key, digest, r, s - 1)
    assert not ecdsa.verify_in_python(key, digest[::-1], r, s)


def test_arithmetic_agrees_with_openssl() -> None:
    digest = hashlib.sha256(CHALLENGE).digest()
    for _ in range(5):
        pair = decode_dss_signature(EC_PRIVATE.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
        assert ecdsa.verify_in_python(EC_KEY, digest, *pair)


def test_signature_at_infinity_is_invalid() -> None:
    curve = EC_KEY.curve
    # With the generator's negative as key, u1 = u2 adds up to infinity.
    key = EcKey(curve, (curve.generator[0], curve.p - curve.generator[1]))
    assert not ecdsa.verify_in_python(key, (5).to_bytes(32, "big"), 5, 7)


def test_other_keys_sign_nothing() -> None:
    with pytest.raises(UnsupportedError):
        active_authentication.verify(DhKey(Group(23, 5), 4), CHALLENGE, b"")


def test_long_answer_needs_extended_length() -> None:
    key = RsaKey((1 << 2047) + 1, 3)
    for extended, command in (
        (True, "0088000000000896302B0F3D7E78640000"),
        (False, "008800000896302B0F3D7E786400"),
    ):
        channel = Channel(replayed([(command, "6700")]))
        with pytest.raises(CommandRefusedError):
            active_authentication.internal_authenticate(
                channel, key, drawn([CHALLENGE.hex()]), extended=extended
            )
