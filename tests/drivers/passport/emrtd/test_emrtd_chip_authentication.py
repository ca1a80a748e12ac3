"""Chip authentication, replayed from four published sessions with real chips.

The recordings are those of the tests of gmrtd (MIT): AES with explicit parameters, AES with a key
identifier, 3DES, and a chip that states a key and no protocol.
"""

from dataclasses import dataclass

import pytest
from support.chips.certificates import oid, sequence
from support.chips.replay import replayed

from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.crypto.curves import CURVES
from drivers.passport.emrtd.crypto.public_keys import DhKey, EcKey, RsaKey, parse_public_key
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import (
    CommandRefusedError,
    MalformedError,
    SecureMessagingError,
    UnsupportedError,
)
from drivers.passport.emrtd.protocols import chip_authentication
from drivers.passport.emrtd.protocols.security_infos import ChipAuthenticationKey, SecurityInfos
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.emrtd.transport.secure_messaging import Channel, SecureMessaging


@dataclass(frozen=True)
class Recording:
    """Session from just before chip authentication to the first answer under the new keys."""

    dg14: str
    before: tuple[Suite, str, str, str]
    after: tuple[Suite, str, str]
    private: str
    exchange: list[tuple[str, str]]


AES_128_ECDH = Recording(
    dg14=(
        "6E82017E3182017A300D060804007F0007020202020101300F060A04007F000702020302020201013012060A0400"
        "7F0007020204020202010202010D30820142060904007F000702020102308201333081EC06072A8648CE3D020130"
        "81E0020101302C06072A8648CE3D0101022100A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D5262028201348"
        "1D1F6E5377304404207D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9042026DC5C"
        "6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B60441048BD2AEB9CB7E57CB2C4B482FFC81"
        "B7AFB9DE27E1E3BD23C23A4453BD9ACE3262547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C7"
        "2F046997022100A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A702010103420004"
        "1983917269AC877C0B61544C2C022000D2A5ABA723E2D80141E648B40911DC3459761F27480E4B57181A53D8FE11"
        "90EA86C939AC14363178CAFFC621F0F905C3"
    ),
    before=(
        Suite.AES_128,
        "524170DE3419B7AF2F23E45AD6EF9595",
        "97893F5FDC29A5C13A924FE7D8ED44FD",
        "000000000000000000000000000000F0",
    ),
    after=(Suite.AES_128, "C8E27260EFD3F318D18C080CBF11C7E6", "A942190365204A21409EB28B52BF9160"),
    private="80EBAFC8A51BECD4D90BB640EE38C9FD5C12748D28AAA37096B98C4533C4F5F5",
    exchange=[
        (
            "0C2241A41D8711015D8F69B1EA365CCE4304970DB12421F38E085340D338128085E700",
            "990290008E083F5136E82A6C34779000",
        ),
        (
            (
                "0C860000608751019E18F1BA79D805379752BB560EB70AAC3CE3BC5AFE2FDD4AEB325CA8B578B4A93B9F66A5DF40"
                "005F8E878535251D33DD974AAF77FB858773E5799FA9DC1034E89B1150EC7F0BB3DB4BF37A1B9EA4458A9701008E"
                "089D204D950C0B95DB00"
            ),
            "8711010B0A5DFFC7432DE4DEB604291377A05B990290008E08B3384A1F5D1579739000",
        ),
        (
            "0CA4020C1D8711011B2EE500E84960DF7F37AFE7ADFF53838E084500F3B43E192A5700",
            "990290008E0803C4B125B4218CEF9000",
        ),
    ],
)
AES_128_ECDH_KEY_ID = Recording(
    dg14=(
        "6E82019A31820196300D060804007F00070202020201013012060A04007F0007020204020202010202010D301206"
        "0A04007F0007020204060202010202010D3013060A04007F00070202030202020101020200C33082014606090400"
        "7F000702020102308201333081EC06072A8648CE3D02013081E0020101302C06072A8648CE3D0101022100A9FB57"
        "DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377304404207D5A0975FC2C3057EEF6753041"
        "7AFFE7FB8055C126DC5C6CE94A4B44F330B5D9042026DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6B"
        "CCDC18FF8C07B60441048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262547EF835"
        "C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997022100A9FB57DBA1EEA9BC3E660A909D838D"
        "718C397AA3B561A6F7901E0E82974856A7020101034200047036BC5D0BCF31913B59103BB6F2C0C98C99EF4C19B9"
        "517340B76BFE4EE2194C76C3F3314E021D4B092DB5A32AB7D6E297F2FBEAE45AA28DEFC4DA750FEAD54E020200C3"
    ),
    before=(
        Suite.AES_128,
        "CC86415F2ED7E8FD663B754265695AE1",
        "581E84B8EE06C4D3EEE30461498D7FB3",
        "000000000000000000000000000000BA",
    ),
    after=(Suite.AES_128, "AF0EEDB52E87B945FC5503B1C6875C1C", "CEB85BEDCECFF1DD1E25DFB672C4A5BF"),
    private="84A5145885678EE9307C28C52736896267511203B7B8009C5FE27ABCBAECDCAA",
    exchange=[
        (
            "0C2241A41D871101980953D37F67558690045D78A853B18A8E08929767A2CEF172E200",
            "990290008E08FC873EBB62219C8A9000",
        ),
        (
            (
                "0C8600006087510161912C367A6322D24AA1D4522DC47A7345369257672DF1D1163D506EB6489395D8083FAD393A"
                "394297CE8703C42F22C864C1F4C8E70EE1CF9B497ACF6579190D90F36CF9E16FE2149FF57247285D9E1E9701008E"
                "08A1D7A16EFBFD932C00"
            ),
            "87110123E7159AC9B0EF92CE1F6755B89697E3990290008E088972F1595E1508C29000",
        ),
        (
            "0CA4020C1D871101FAD37EADBCDE7E6A0833035A9FFF5B708E0836560BBCE1FECD5F00",
            "990290008E0829D0E1EBBB61BE7A9000",
        ),
    ],
)
TDES_ECDH = Recording(
    dg14=(
        "6E82016A3182016630820142060904007F000702020102308201333081EC06072A8648CE3D02013081E002010130"
        "2C06072A8648CE3D0101022100A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E537730"
        "4404207D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9042026DC5C6CE94A4B44F3"
        "30B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B60441048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1"
        "E3BD23C23A4453BD9ACE3262547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F0469970221"
        "00A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A702010103420004A04F85AFDFC3"
        "16FB5E9F33F94CA45837D20D9D91AD5002307C3F124B6EF5B92565D018A6B7F69DB73976BFBB4278757405C64E96"
        "104D161649E8A94078EAEFCE300F060A04007F00070202030201020101300D060804007F0007020202020101"
    ),
    before=(
        Suite.TDES,
        "896DE34A942C7076FEC207207ACB79C2",
        "D6C47FF4677AC8AE91CB49F4CE673432",
        "9646C154BFB7BE79",
    ),
    after=(Suite.TDES, "75B95468910849CDF1A1A2AE5452CE9B", "CD0BEF85D5A82A7AE0FBC12368A41FEF"),
    private="3A31F4E18418312FCB40F3EFBE719182C046A9719E1ED8C376197AA9E8ED7465",
    exchange=[
        (
            "0C2241A41D8711019D1E70C6F5EE06A7CA1E98FBF5C945C98E087AC379DC78702E6300",
            "990290008E08643C2C3AC66585E49000",
        ),
        (
            (
                "0C86000058874901A9C6BF370C62AA43CA1EC9B97071727654822361DEB8BA4E5719AA05D8E86AA36164DFA5E506"
                "DBF60DC7418858179FD25DAC5E9E49393DDE37E29652444941B562142AB5F19AEA919701008E085083316637060C"
                "4D00"
            ),
            "87090108166157B375BC1E990290008E08FF8A254C50179F519000",
        ),
        (
            "0CA4020C1587090106904D37288D69488E08A13B74E87B87E44600",
            "990290008E08C2BF01FDDD1D599D9000",
        ),
    ],
)
TDES_NOT_STATED = Recording(
    dg14=(
        "6E82015E3182015A30820142060904007F000702020102308201333081EC06072A8648CE3D02013081E002010130"
        "2C06072A8648CE3D0101022100FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF30"
        "440420FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC04205AC635D8AA3A93E7B3"
        "EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B0441046B17D1F2E12C4247F8BCE6E563A440F277037D81"
        "2DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F50221"
        "00FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551020101034200048367FC170D90"
        "AD53A28C6526A9C7EC4F5C59C4F7F5D992583F951A1654B4D1D6332163A33D82CBF245154887A8812ED9A55C15AD"
        "9D5C5C463851875BBA9AEABD3012060A04007F0007020204020402010202010C"
    ),
    before=(
        Suite.AES_256,
        "17DA5D46E356F5B31C3D65B1369EF531CA811EFFC76967D2B62335E1AD9FE5CB",
        "5CB99A25E6081581FAC80C8DA621087939B6BDE273F2F7C65693B3A0EA3051ED",
        "000000000000000000000000000000C6",
    ),
    after=(Suite.TDES, "8AE910A12991FBFE5E37C2C726A2DF29", "1ADAC8970843D9BF8570737A04A8D50D"),
    private="D9C3B06A4DCB735351429403FCB56DB520DC882512D775971F724D6112F96586",
    exchange=[
        (
            (
                "0C2241A65D8751013AE386873DF68BD7E9F8D7AB2E696CED29EEB8DA78D502645B5E97D566361341E2EAA56318F6"
                "D84BF0BC44F7808AFAF14798D16048AAB03545F017F557D2CCE9DEE724F099E3D643ABD0FB03E567D9B18E08F2D2"
                "38DEDE5ABBF100"
            ),
            "990290008E089666AC14D11E8C2C9000",
        ),
        (
            "0CA4020C15870901DB66E918FE3525F98E08D870008CEA2BA80000",
            "990290008E08420DEA0A913418AE9000",
        ),
    ],
)


def begun(recording: Recording, exchange: list[tuple[str, str]] | None = None) -> Channel:
    channel = Channel(replayed(recording.exchange if exchange is None else exchange))
    suite, secret_key, mac_key, counter = recording.before
    channel.security = SecureMessaging(
        suite, bytes.fromhex(secret_key), bytes.fromhex(mac_key), bytes.fromhex(counter)
    )
    return channel


def authenticate(recording: Recording, channel: Channel) -> None:
    infos = SecurityInfos.from_dg14(bytes.fromhex(recording.dg14))
    info, key = chip_authentication.choose(infos)
    chip_authentication.perform(channel, info, key, lambda size: bytes.fromhex(recording.private))
    files.select(channel, ElementaryFile.DG14)


@pytest.mark.parametrize("recording", [AES_128_ECDH, AES_128_ECDH_KEY_ID, TDES_ECDH, TDES_NOT_STATED])
def test_recorded_chip_proves_itself(recording: Recording) -> None:
    channel = begun(recording)
    authenticate(recording, channel)

    suite, secret_key, mac_key = recording.after
    assert channel.security is not None
    assert channel.security.suite is suite
    assert channel.security._secret_key.hex().upper() == secret_key
    assert channel.security._mac_key.hex().upper() == mac_key
    assert int.from_bytes(channel.security.counter, "big") == 2


@pytest.mark.parametrize("recording", [AES_128_ECDH, TDES_NOT_STATED])
def test_chip_without_private_key_fails(recording: Recording) -> None:
    *before, (command, answer) = recording.exchange
    forged = answer[:-6] + f"{int(answer[-6:-4], 16) ^ 1:02X}" + answer[-4:]
    with pytest.raises(SecureMessagingError):
        authenticate(recording, begun(recording, [*before, (command, forged)]))


def test_bare_refusal_of_aes_is_one() -> None:
    refused = [(AES_128_ECDH.exchange[0][0], "6A80")]
    with pytest.raises(CommandRefusedError):
        authenticate(AES_128_ECDH, begun(AES_128_ECDH, refused))


def test_old_3des_chip_gets_older_command() -> None:
    sent: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        sent.append(command)
        return b"\x6a\x80"

    channel = begun(TDES_ECDH)
    channel._transmit = transmit
    with pytest.raises(CommandRefusedError):
        authenticate(TDES_ECDH, channel)
    assert [command[:4].hex() for command in sent] == ["0c2241a4", "0c2241a6"]


def infos_of(*items: str) -> SecurityInfos:
    joined = bytes.fromhex("".join(items))
    return SecurityInfos.from_dg14(tlv.encode(0x6E, tlv.encode(0x31, joined)))


def test_strongest_suite_with_key_is_chosen() -> None:
    key = TDES_NOT_STATED.dg14[16:][: 2 * 0x146]
    weak, strong, foreign = (
        "300F060A04007F00070202030201020101",
        "300F060A04007F00070202030204020101",
        "300F060A04007F00070202030104020101",
    )
    info, static = chip_authentication.choose(infos_of(weak, foreign, strong, key))
    assert info.suite is Suite.AES_256
    assert info.protocol.endswith("3.2.4")
    assert isinstance(static.key, EcKey)
    assert static.key.curve.name == "secp256r1"
    with pytest.raises(UnsupportedError):
        chip_authentication.choose(infos_of(foreign, key))
    with pytest.raises(UnsupportedError):
        chip_authentication.choose(infos_of(weak))


def test_other_protocols_are_ignored() -> None:
    terminal = "300D060804007F0007020202020101"
    located = "3012060A04007F00070202010501" + "30040C023132"
    infos = infos_of(terminal, located)
    assert infos == SecurityInfos()
    assert not infos.offers_chip_authentication


def test_aa_algorithm_from_dg14() -> None:
    stated = tlv.encode(
        0x30,
        tlv.encode(der.OID, der.encode_oid("2.23.136.1.1.5"))
        + b"\x02\x01\x01"
        + tlv.encode(der.OID, der.encode_oid("0.4.0.127.0.7.1.1.4.1.3")),
    )
    assert infos_of(stated.hex()).active_authentication_algorithm == "0.4.0.127.0.7.1.1.4.1.3"


def spki(dotted: str, parameters: bytes, key: bytes) -> bytes:
    algorithm = sequence(oid(dotted), parameters)
    return tlv.encode(0x30, algorithm + tlv.encode(0x03, b"\0" + key))


def number(value: int) -> bytes:
    return tlv.encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_curve_by_name_and_by_parameters(curve: object) -> None:
    point = curve.encode(curve.generator)
    size = curve.size
    equation = tlv.encode(0x04, curve.a.to_bytes(size, "big")) + tlv.encode(
        0x04, curve.b.to_bytes(size, "big")
    )
    field = tlv.encode(0x30, tlv.encode(der.OID, der.encode_oid("1.2.840.10045.1.1")) + number(curve.p))
    seeded = equation + tlv.encode(0x03, b"\0seed")
    for coefficients, base in (
        (equation, point),
        (seeded, bytes([2 + curve.generator[1] % 2]) + point[1 : 1 + size]),
    ):
        explicit = tlv.encode(
            0x30,
            number(1)
            + field
            + tlv.encode(0x30, coefficients)
            + tlv.encode(0x04, base)
            + number(curve.order)
            + number(1),
        )
        assert parse_public_key(spki("1.2.840.10045.2.1", explicit, point)) == EcKey(curve, curve.generator)
    named = tlv.encode(der.OID, der.encode_oid(curve.oid))
    assert parse_public_key(spki("1.2.840.10045.2.1", named, point)) == EcKey(curve, curve.generator)
    twisted = explicit.replace(number(curve.order), number(curve.order - 2))
    with pytest.raises(UnsupportedError):
        parse_public_key(spki("1.2.840.10045.2.1", twisted, point))


@pytest.mark.parametrize(
    ("stated", "key_id", "refused"),
    [
        # Two keys and no protocol: the first key, by the older command alone.
        (b"", 1, None),
        # 3DES with the second key: the older command follows when the newer one is refused.
        (sequence(oid("0.4.0.127.0.7.2.2.3.2.1"), number(1), number(2)), 2, b"\x41\xa4"),
    ],
)
def test_older_command_names_one_of_two_keys(stated: bytes, key_id: int, refused: bytes | None) -> None:
    curve = next(one for one in CURVES if one.name == "secp256r1")
    keys = {1: curve.generator, 2: curve.multiply(2, curve.generator)}
    infos = [stated]
    for place, point in keys.items():
        key = spki("1.2.840.10045.2.1", oid(curve.oid), curve.encode(point))
        infos.append(sequence(oid("0.4.0.127.0.7.2.2.1.2"), key, number(place)))
    sent: dict[bytes, dict[int, bytes]] = {}

    def transmit(command: bytes) -> bytes:
        data = tlv.children(command[5 : 5 + command[4]], most=4)
        sent[command[2:4]] = {item.tag: item.value for item in data}
        return b"\x6a\x80" if command[2:4] == refused else b"\x90\x00"

    info, static = chip_authentication.choose(infos_of(b"".join(infos).hex()))
    assert static == ChipAuthenticationKey(EcKey(curve, keys[key_id]), key_id)
    chip_authentication.perform(Channel(transmit), info, static, lambda size: bytes(size - 1) + b"\x03")

    assert sent.keys() == {refused or b"\x41\xa6", b"\x41\xa6"}
    ours = curve.encode(curve.multiply(3, curve.generator))
    assert sent[b"\x41\xa6"] == {0x91: ours, 0x84: bytes([key_id])}


def test_dh_keys_in_two_notations() -> None:
    prime = (1 << 1024) - 105
    for dotted, more in (("1.2.840.113549.1.3.1", b""), ("1.2.840.10046.2.1", number(prime - 1))):
        parameters = tlv.encode(0x30, number(prime) + number(2) + more)
        key = parse_public_key(spki(dotted, parameters, number(4)))
        assert isinstance(key, DhKey) or more == b""
        assert key.element == 4


@pytest.mark.parametrize(
    "key",
    [
        spki("1.2.840.10045.2.1", tlv.encode(der.OID, b"\x2a\x03"), b"\x04" + bytes(64)),
        spki("1.2.3.4", b"\x05\0", b"key"),
        spki(
            "1.2.840.10045.2.1",
            tlv.encode(
                0x30,
                number(1)
                + tlv.encode(0x30, tlv.encode(der.OID, der.encode_oid("1.2.840.10045.1.2")) + b"\x05\0")
                + tlv.encode(0x30, b"\x04\x01\0\x04\x01\0")
                + tlv.encode(0x04, b"\x04")
                + number(7),
            ),
            b"",
        ),
    ],
)
def test_unknown_key_kind_is_unsupported(key: bytes) -> None:
    with pytest.raises(UnsupportedError):
        parse_public_key(key)


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [(1 << 511, 3), ((1 << 511) + 1, 2), (3 << 100 | 1, 3), ((1 << 8200) + 1, 3), ((1 << 511) + 1, 1)],
)
def test_numbers_that_make_no_rsa_key(modulus: int, exponent: int) -> None:
    with pytest.raises(MalformedError):
        parse_public_key(
            spki("1.2.840.113549.1.1.1", b"\x05\0", tlv.encode(0x30, number(modulus) + number(exponent)))
        )


def test_rsa_key_tells_its_length() -> None:
    key = parse_public_key(
        spki("1.2.840.113549.1.1.1", b"\x05\0", tlv.encode(0x30, number((1 << 1023) + 1) + number(65537)))
    )
    assert isinstance(key, RsaKey)
    assert key.size == 128


@pytest.mark.parametrize("prime", [1 << 1024, (1 << 500) + 1, (1 << 5000) + 1])
def test_numbers_that_make_no_group(prime: int) -> None:
    parameters = tlv.encode(0x30, number(prime) + number(2))
    with pytest.raises(MalformedError):
        parse_public_key(spki("1.2.840.113549.1.3.1", parameters, number(4)))
