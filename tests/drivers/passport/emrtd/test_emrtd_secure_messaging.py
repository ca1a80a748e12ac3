"""Secure messaging with AES against a recorded session, and every kind of wrong answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips.replay import replayed, whole_file

from drivers.passport.emrtd.crypto.ciphers import Suite, pad, unpad
from drivers.passport.emrtd.encoding import tlv
from drivers.passport.emrtd.errors import (
    ChipError,
    CommandRefusedError,
    MalformedError,
    SecureMessagingError,
)
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.apdu import EXTENDED_NE, Command, Response
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging

# Recorded with a chip that uses AES-256; published with the tests of gmrtd (MIT).
AES_256_KEYS = (
    "74B94F408BBB2CD92571FD5B6370A94CCE7A2FA42AE3EB4DA47B97CE6EAA24C6",
    "9E28D5D9FF1D979BE752E8926BF0E1D35A440FC0AEFC4AA3BC5610055AC8B113",
)
AES_256_COM = [
    (
        "0CA4020C1D8711011D35E7EB510E21A0DD12380D9AD2B92D8E0828CB68B81D3FAFC000",
        "990290008E08E083EAA61ADABFCE9000",
    ),
    (
        "0CB000000D9701048E084AFC933E0CDBE5F000",
        "871101D8059A9CF835105082CA2B1837E4AEC0990290008E08B36DB56761D706BB9000",
    ),
    (
        "0CB000040D9701168E0811F7EFC907D1F27400",
        "87210142E919C115FAF69350B01813D77A9E8D91912A7F717AFD073F199070E61B79C6"
        "990290008E083382E3D983F441369000",
    ),
]


def session(suite: Suite, counter: bytes = b"\0") -> SecureMessaging:
    return SecureMessaging(suite, bytes(range(suite.key_size)), bytes(range(1, suite.key_size + 1)), counter)


def answer_of_the_chip(chip: SecureMessaging, data: bytes, status: int, *, tag: int = 0x87) -> Response:
    """Protect an answer as a chip does, with its counter one ahead."""
    chip._raise_counter()
    objects = b""
    if data:
        iv = chip._iv()
        secret = chip.suite.encrypt(chip._secret_key, pad(data, chip.suite.block_size), iv)
        objects += tlv.encode(tag, (b"\x01" if tag == 0x87 else b"") + secret)
    objects += tlv.encode(0x99, status.to_bytes(2, "big"))
    objects += tlv.encode(0x8E, chip._authenticate(chip.counter + objects))
    return Response(objects, status)


def test_ef_com_recorded_with_aes_256() -> None:
    channel = Channel(replayed(AES_256_COM))
    secret_key, mac_key = map(bytes.fromhex, AES_256_KEYS)
    channel.security = SecureMessaging(Suite.AES_256, secret_key, mac_key, bytes(15) + b"\x20")
    content = whole_file(files.read(channel, ElementaryFile.COM))
    assert content.hex().upper() == "60185F0104303130385F36063034303030305C06617563766D6E"
    assert channel.security.counter == bytes(15) + b"\x26"


@pytest.mark.parametrize("suite", [*Suite])
@pytest.mark.parametrize("tag", [0x87, 0x85])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 223, 4000])
def test_protected_answer_round_trip(suite: Suite, tag: int, size: int) -> None:
    ours, chips = session(suite), session(suite)
    ours.protect(Command(0, 0xB0, 0, 0, ne=256))
    chips._raise_counter()
    data = bytes(size)
    assert ours.unprotect(answer_of_the_chip(chips, data, 0x9000, tag=tag)) == Response(data, 0x9000)


@pytest.mark.parametrize("suite", [*Suite])
def test_error_status_protected_or_bare(suite: Suite) -> None:
    ours, chips = session(suite), session(suite)
    assert ours.unprotect(answer_of_the_chip(chips, b"", 0x6A82)).status == 0x6A82
    assert ours.unprotect(Response(b"", 0x6982)).status == 0x6982


@pytest.mark.parametrize("status", [0x9000, 0x6987, 0x6988, 0x6282, 0x6110])
def test_no_success_without_protection(status: int) -> None:
    with pytest.raises(SecureMessagingError):
        session(Suite.AES_128).unprotect(Response(b"", status))


@pytest.mark.parametrize("suite", [*Suite])
def test_every_flipped_bit_is_noticed(suite: Suite) -> None:
    genuine = answer_of_the_chip(session(suite), b"DG1", 0x9000)
    for at in range(8 * len(genuine.data)):
        data = bytearray(genuine.data)
        data[at // 8] ^= 1 << at % 8
        with pytest.raises(SecureMessagingError):
            session(suite).unprotect(Response(bytes(data), 0x9000))


def test_replayed_answer_is_noticed() -> None:
    ours = session(Suite.AES_128)
    answer = answer_of_the_chip(session(Suite.AES_128), b"DG1", 0x9000)
    ours.unprotect(answer)
    with pytest.raises(SecureMessagingError):
        ours.unprotect(answer)


def test_changed_status_word_is_detected() -> None:
    genuine = answer_of_the_chip(session(Suite.TDES), b"", 0x6A82)
    with pytest.raises(SecureMessagingError, match="differs"):
        session(Suite.TDES).unprotect(Response(genuine.data, 0x9000))


def signed(chip: SecureMessaging, objects: bytes) -> bytes:
    chip._raise_counter()
    return objects + tlv.encode(0x8E, chip._authenticate(chip.counter + objects))


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(tlv.encode(0x99, b"\x90"), id="half a status word"),
        pytest.param(tlv.encode(0x99, b"\x90\0\0"), id="a long status word"),
        pytest.param(b"", id="no status word"),
        pytest.param(tlv.encode(0x87, b"\x01" + bytes(16)), id="data and no status word"),
        pytest.param(tlv.encode(0x87, b"\x02" + bytes(16)) + b"\x99\x02\x90\0", id="another padding"),
        pytest.param(tlv.encode(0x87, b"") + b"\x99\x02\x90\0", id="an empty cryptogram"),
        pytest.param(tlv.encode(0x87, b"\x01" + bytes(15)) + b"\x99\x02\x90\0", id="no whole blocks"),
        pytest.param(tlv.encode(0x87, b"\x01" + bytes(16)) + b"\x99\x02\x90\0", id="no padding inside"),
        pytest.param(b"\x99\x02\x90\0" * 2, id="two status words"),
        pytest.param(b"\x99\x02\x90\0" + tlv.encode(0x87, b"\x01" + bytes(16)), id="another order"),
    ],
)
def test_authentic_but_malformed_answer(objects: bytes) -> None:
    answer = Response(signed(session(Suite.AES_128), objects), 0x9000)
    with pytest.raises(SecureMessagingError):
        session(Suite.AES_128).unprotect(answer)


def test_extended_length_has_two_bytes() -> None:
    protected = session(Suite.AES_128).protect(Command(0, 0xB0, 0, 0, ne=0x0FC0, extended=True))
    assert protected.data[:4].hex() == "97020fc0"
    written = protected.to_bytes()
    assert written[:7].hex() == "0cb0000000000e"
    assert written[-2:] == b"\0\0"


def test_apdus_in_their_seven_forms() -> None:
    assert Command(0, 1, 2, 3).to_bytes().hex() == "00010203"
    assert Command(0, 1, 2, 3, ne=256).to_bytes().hex() == "0001020300"
    assert Command(0, 1, 2, 3, b"\xaa").to_bytes().hex() == "0001020301aa"
    assert Command(0, 1, 2, 3, b"\xaa", 255).to_bytes().hex() == "0001020301aaff"
    assert Command(0, 1, 2, 3, ne=EXTENDED_NE).to_bytes().hex() == "00010203000000"
    assert Command(0, 1, 2, 3, b"\xaa", 257).to_bytes().hex() == "00010203000001aa0101"
    assert Command(0, 1, 2, 3, bytes(256)).to_bytes().hex() == "00010203000100" + "00" * 256
    assert Command(0, 1, 2, 3, extended=True).to_bytes().hex() == "00010203"
    with pytest.raises(ValueError, match="longer"):
        Command(0, 1, 2, 3, ne=EXTENDED_NE + 1).to_bytes()


@pytest.mark.parametrize("raw", [b"", b"\x90", bytes(EXTENDED_NE + 3)])
def test_answer_without_status_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Response.parse(raw)


def test_refusal_names_command_and_status() -> None:
    with pytest.raises(CommandRefusedError, match="command A4 with status 6A82") as refused:
        Channel(lambda command: b"secret\x6a\x82").command(Command(0, 0xA4, 4, 12, b"private"))
    assert "secret" not in str(refused.value)


@given(data=st.binary(max_size=64), status=st.integers(0, 0xFFFF), suite=st.sampled_from([*Suite]))
@settings(max_examples=200)
def test_any_answer_raises_typed_errors_only(data: bytes, status: int, suite: Suite) -> None:
    try:
        answer = session(suite).unprotect(Response(data, status))
    except ChipError:
        return
    assert not answer.data
    assert not data


@given(st.binary(max_size=100), st.sampled_from([8, 16]))
def test_padding_round_trip(data: bytes, block: int) -> None:
    padded = pad(data, block)
    assert len(padded) % block == 0
    assert unpad(padded) == data
