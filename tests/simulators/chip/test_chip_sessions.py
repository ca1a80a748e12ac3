"""Whole sessions by an independent terminal: every access, cipher and authentication."""

import hashlib
from dataclasses import replace

import pytest
from asn1crypto import keys
from chip_terminal import (
    MacError,
    StatusError,
    Terminal,
    cbc,
    do,
    header_size,
    oid,
    packed,
    power,
    public_key,
    security_infos,
    undo,
)
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from simulators.mrz import Document, Format
from simulators.passport.chip import (
    Access,
    ActiveAuthentication,
    Chip,
    Cipher,
    EcParameters,
    IssuingState,
    Mapping,
    PaceInfo,
    Profile,
)
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, STANDARDISED
from simulators.passport.chip.faults import ClonedChip
from simulators.passport.chip.lds import mrz_information
from simulators.specimens import ERIKSSON, STEVENSON
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON[Format.TD3]
COM, DG1, DG2, DG14, DG15 = 0x011E, 0x0101, 0x0102, 0x010E, 0x010F
CIPHERS = list(Cipher)


@pytest.fixture(scope="module")
def utopia() -> IssuingState:
    return IssuingState.create()


def mrz_key(document: Document) -> bytes:
    return hashlib.sha1(mrz_information(document).encode()).digest()


def by_pace(chip: Chip, info: PaceInfo, *, can: str | None = None) -> Terminal:
    terminal = Terminal(chip.transmit, extended=chip.personalisation.profile.extended_length)
    password = mrz_key(chip.personalisation.document) if can is None else can.encode()
    terminal.pace(info.oid, info.parameter_id, password, 1 if can is None else 2)
    terminal.select_application()
    return terminal


def by_bac(chip: Chip) -> Terminal:
    terminal = Terminal(chip.transmit, extended=chip.personalisation.profile.extended_length)
    terminal.bac(mrz_information(chip.personalisation.document))
    return terminal


def holds_the_zone(terminal: Terminal, document: Document) -> None:
    assert terminal.read(DG1).endswith("".join(document.lines).encode())


GENERIC = [
    PaceInfo(Mapping.GENERIC, cipher, number)
    for number, group in STANDARDISED.items()
    for cipher in (CIPHERS if group.name in ("brainpoolP256r1", "modp1024-160") else [CIPHERS[number % 4]])
]
INTEGRATED = [
    PaceInfo(Mapping.INTEGRATED, cipher, number)
    for number, cipher in (
        (0, Cipher.TDES), (2, Cipher.AES_256), (12, Cipher.AES_192), (13, Cipher.TDES), (18, Cipher.AES_128),
    )
]  # fmt: skip
CAM = [
    PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 12),
    PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_192, 16),
    PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_256, 18),
]


@pytest.mark.parametrize(
    "info", [*GENERIC, *INTEGRATED, *CAM], ids=lambda i: f"{i.mapping.name}-{i.group.name}-{i.cipher}"
)
def test_pace_opens_the_chip(utopia: IssuingState, info: PaceInfo) -> None:
    chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.PACE, pace=(info,), extended_length=True))
    terminal = Terminal(chip.transmit, extended=True)
    [(protocol, rest)] = security_infos(terminal.read(0x011C))
    assert (protocol, [value.native for value in rest]) == (info.oid, [2, info.parameter_id])

    terminal.pace(protocol, info.parameter_id, mrz_key(PASSPORT))
    terminal.select_application()

    holds_the_zone(terminal, PASSPORT)


@pytest.mark.parametrize("cipher", [Cipher.TDES, Cipher.AES_256])
def test_card_access_number_opens_chip(utopia: IssuingState, cipher: Cipher) -> None:
    card = ERIKSSON[Format.TD1]
    info = PaceInfo(Mapping.GENERIC, cipher, 13)
    chip = Chip.issue(card, utopia, Profile(access=Access.PACE, pace=(info,), can="017482"))

    holds_the_zone(by_pace(chip, info, can="017482"), card)
    with pytest.raises(StatusError, match="6300"):
        by_pace(Chip(chip.personalisation), info, can="017483")


def test_without_can_pace_refuses_it(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia)
    with pytest.raises(StatusError, match="6A88"):
        by_pace(chip, chip.personalisation.profile.pace[0], can="017482")


@pytest.mark.parametrize(
    "document",
    [PASSPORT, ERIKSSON[Format.TD1], STEVENSON, replace(STEVENSON, format=Format.TD1),
     replace(STEVENSON, format=Format.TD1, long_number_check_counts_filler=True, number="D2314589073456")],
    ids=["TD3", "TD1", "TD2 long", "TD1 long", "TD1 long, filler counted"],
)  # fmt: skip
def test_bac_opens_every_format(utopia: IssuingState, document: Document) -> None:
    holds_the_zone(by_bac(Chip.issue(document, utopia, Profile(access=Access.BAC))), document)


def test_long_number_counts_in_full(utopia: IssuingState) -> None:
    assert mrz_information(STEVENSON) == "D23145890734934071279507122"


def test_chip_with_both_opens_either_way(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.BOTH))
    holds_the_zone(by_bac(chip), PASSPORT)
    chip.reset()
    holds_the_zone(by_pace(chip, chip.personalisation.profile.pace[0]), PASSPORT)


def test_open_chip_is_read_unprotected(utopia: IssuingState) -> None:
    profile = Profile(access=Access.OPEN, active_authentication=ActiveAuthentication.RSA_SHA1)
    terminal = Terminal(Chip.issue(PASSPORT, utopia, profile).transmit)
    terminal.select_application()
    holds_the_zone(terminal, PASSPORT)
    assert len(terminal.active_authentication(bytes(8))) == 128


def test_right_parameters_among_several(utopia: IssuingState) -> None:
    infos = tuple(PaceInfo(Mapping.GENERIC, Cipher.AES_128, number) for number in (12, 13))
    chip = Chip.issue(PASSPORT, utopia, Profile(access=Access.PACE, pace=infos))
    holds_the_zone(by_pace(chip, infos[1]), PASSPORT)
    chip.reset()
    with pytest.raises(StatusError, match="6A80"):
        Terminal(chip.transmit).pace(infos[0].oid, 12, mrz_key(PASSPORT), name_it=False)
    with pytest.raises(StatusError, match="6A88"):
        Terminal(chip.transmit).pace(infos[0].oid, 14, mrz_key(PASSPORT))


@pytest.mark.parametrize("style", list(EcParameters))
@pytest.mark.parametrize("access", [Access.BAC, Access.PACE])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_chip_authentication_starts_session(
    utopia: IssuingState, access: Access, cipher: Cipher, style: EcParameters
) -> None:
    profile = Profile(access=access, chip_authentication=(cipher,), key_parameters=style)
    chip = Chip.issue(PASSPORT, utopia, profile)
    terminal = by_bac(chip) if access is Access.BAC else by_pace(chip, profile.pace[0])
    dg14 = terminal.read(DG14)

    terminal.chip_authentication(dg14, cipher.suffix)
    holds_the_zone(terminal, PASSPORT)
    if cipher is Cipher.TDES:
        terminal.chip_authentication(dg14, cipher.suffix, by_kat=True)
        holds_the_zone(terminal, PASSPORT)


@pytest.mark.parametrize("group", ["modp2048-256", "brainpoolP512r1", "secp256r1"])
def test_chip_authentication_groups_and_keys(utopia: IssuingState, group: str) -> None:
    ciphers = (Cipher.TDES, Cipher.AES_192)
    profile = Profile(chip_authentication=ciphers, chip_authentication_group=group, extended_length=True)
    terminal = by_bac(Chip.issue(PASSPORT, utopia, profile))
    dg14 = terminal.read(DG14)
    for cipher in ciphers:
        terminal.chip_authentication(dg14, cipher.suffix)
        holds_the_zone(terminal, PASSPORT)
    terminal.chip_authentication(dg14, 1, by_kat=True)
    holds_the_zone(terminal, PASSPORT)


def test_clone_fails_chip_authentication(utopia: IssuingState) -> None:
    profile = Profile(chip_authentication=(Cipher.AES_128,))
    terminal = by_bac(Chip.issue(PASSPORT, utopia, profile, [ClonedChip()]))
    terminal.chip_authentication(terminal.read(DG14), 2)
    with pytest.raises(StatusError, match="6988"):
        terminal.read(DG1)


@pytest.mark.parametrize("clone", [False, True])
def test_mapping_authenticates_chip(utopia: IssuingState, clone: bool) -> None:
    profile = Profile(access=Access.PACE, pace=(CAM[0],))
    chip = Chip.issue(PASSPORT, utopia, profile, [ClonedChip()] * clone)
    terminal = Terminal(chip.transmit)
    terminal.pace(CAM[0].oid, 12, mrz_key(PASSPORT))
    security = terminal.read(0x011D)
    at = security.index(oid("0.4.0.127.0.7.2.2.1.2"))
    infos = security[security.rindex(b"\x31", 0, at) :]
    rest = next(r for name, r in security_infos(cut(infos)) if name == "0.4.0.127.0.7.2.2.1.2")
    group, public = public_key(rest[0].dump())
    assert terminal.cam is not None

    proven = packed(group, power(group, public, int.from_bytes(terminal.cam, "big"))) == terminal.mapping
    assert proven is not clone


def cut(encoded: bytes) -> bytes:
    """Return the single value at the start of these bytes."""
    return encoded[: header_size(encoded)]


class TestActiveAuthentication:
    NONCE = bytes.fromhex("F173589974BF40C6")

    @pytest.mark.parametrize("bits", [1024, 1792])
    @pytest.mark.parametrize(("kind", "name", "trailer"), [
        (ActiveAuthentication.RSA_SHA1, "sha1", b"\xbc"),
        (ActiveAuthentication.RSA_SHA256, "sha256", b"\x34\xcc"),
    ])  # fmt: skip
    def test_by_rsa(
        self, utopia: IssuingState, kind: ActiveAuthentication, name: str, trailer: bytes, bits: int
    ) -> None:
        terminal = by_bac(
            Chip.issue(PASSPORT, utopia, Profile(active_authentication=kind, active_authentication_bits=bits))
        )
        signature = terminal.active_authentication(self.NONCE)
        key = serialization.load_der_public_key(undo(terminal.read(DG15))[0][1]).public_numbers()
        opened = pow(int.from_bytes(signature, "big"), key.e, key.n).to_bytes(bits // 8, "big")
        assert opened[:1] == b"\x6a"
        assert opened.endswith(trailer)
        size = hashlib.new(name).digest_size
        recovered, digest = opened[1 : -len(trailer) - size], opened[-len(trailer) - size : -len(trailer)]
        assert hashlib.new(name, recovered + self.NONCE).digest() == digest

    def test_over_1792_bits_need_extended_length(self, utopia: IssuingState) -> None:
        profile = Profile(
            active_authentication=ActiveAuthentication.RSA_SHA256,
            active_authentication_bits=2048,
            extended_length=True,
        )
        chip = Chip.issue(PASSPORT, utopia, profile)
        assert len(by_bac(chip).active_authentication(self.NONCE)) == 256
        chip.reset()
        terminal = by_bac(chip)
        terminal.extended = False
        with pytest.raises(StatusError, match="6700"):
            terminal.active_authentication(self.NONCE)
        with pytest.raises(ValueError, match="extended length"):
            Profile(active_authentication_bits=2048)

    @pytest.mark.parametrize("style", [EcParameters.EXPLICIT, EcParameters.NAMED])
    @pytest.mark.parametrize(
        "curve", ["secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP512r1"]
    )
    def test_by_ecdsa(self, utopia: IssuingState, curve: str, style: EcParameters) -> None:
        profile = Profile(
            active_authentication=ActiveAuthentication.ECDSA,
            active_authentication_curve=curve,
            key_parameters=style,
        )
        terminal = by_bac(Chip.issue(PASSPORT, utopia, profile))
        infos = dict(security_infos(undo(terminal.read(DG14))[0][1]))
        version, algorithm = infos["2.23.136.1.1.5"]
        assert (version.native, algorithm.dotted) == (1, "0.4.0.127.0.7.1.1.4.1.3")
        group, point = public_key(undo(terminal.read(DG15))[0][1])
        named = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1(),
                 "brainpoolP256r1": ec.BrainpoolP256R1(),
                 "brainpoolP512r1": ec.BrainpoolP512R1()}[curve]  # fmt: skip
        key = ec.EllipticCurvePublicNumbers(*point, named).public_key()
        signature = terminal.active_authentication(self.NONCE)
        size = len(signature) // 2
        assert size == (group.order.bit_length() + 7) // 8
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), self.NONCE, ec.ECDSA(hashes.SHA256()))

    def test_ecdsa_in_der_as_on_some_chips(self, utopia: IssuingState) -> None:
        profile = Profile(
            active_authentication=ActiveAuthentication.ECDSA_DER, key_parameters=EcParameters.NAMED
        )
        terminal = by_bac(Chip.issue(PASSPORT, utopia, profile))
        key = serialization.load_der_public_key(undo(terminal.read(DG15))[0][1])
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(terminal.active_authentication(self.NONCE), self.NONCE, ec.ECDSA(hashes.SHA256()))

    def test_chip_without_key_refuses_command(self, utopia: IssuingState) -> None:
        terminal = by_bac(Chip.issue(PASSPORT, utopia))
        with pytest.raises(StatusError, match="6D00"):
            terminal.active_authentication(self.NONCE)

    def test_other_nonce_size_is_refused(self, utopia: IssuingState) -> None:
        profile = Profile(active_authentication=ActiveAuthentication.ECDSA)
        with pytest.raises(StatusError, match="6700"):
            by_bac(Chip.issue(PASSPORT, utopia, profile)).active_authentication(bytes(7))

    @pytest.mark.parametrize(
        ("style", "form"),
        [
            (EcParameters.EXPLICIT, "specified"),
            (EcParameters.NAMED, "named"),
            (EcParameters.STANDARDISED, "specified"),
        ],
    )
    def test_curve_form_in_the_key(self, utopia: IssuingState, style: EcParameters, form: str) -> None:
        profile = Profile(active_authentication=ActiveAuthentication.ECDSA, key_parameters=style)
        terminal = by_bac(Chip.issue(PASSPORT, utopia, profile))
        info = keys.PublicKeyInfo.load(undo(terminal.read(DG15))[0][1], strict=True)
        assert info["algorithm"]["parameters"].name == form


class TestSecureMessaging:
    @pytest.fixture
    def chip(self, utopia: IssuingState) -> Chip:
        return Chip.issue(PASSPORT, utopia)

    @pytest.mark.parametrize(
        "info", [PaceInfo(Mapping.GENERIC, c, 12) for c in CIPHERS], ids=lambda i: i.cipher
    )
    def test_header_alone_may_be_padded_or_not(self, utopia: IssuingState, info: PaceInfo) -> None:
        terminal = by_pace(Chip.issue(PASSPORT, utopia, Profile(access=Access.PACE, pace=(info,))), info)
        assert terminal.channel is not None
        for short in (False, True):
            terminal.channel.short_header = short
            terminal.select_master_file()
            terminal.select_application()
        holds_the_zone(terminal, PASSPORT)

    def test_unprotected_command_ends_session(self, chip: Chip) -> None:
        terminal = by_bac(chip)
        assert chip.transmit(bytes.fromhex("00B0810000")).hex() == "6982"
        with pytest.raises(StatusError, match="6985"):
            terminal.read(DG1)

    def test_wrong_mac_ends_session(self, chip: Chip) -> None:
        terminal = by_bac(chip)
        assert terminal.channel is not None
        apdu = bytearray(terminal.channel.wrap(0, 0xB0, 0x81, 0, b"", b"\x00"))
        apdu[-3] ^= 1
        assert chip.transmit(bytes(apdu)).hex() == "6988"
        assert chip.transmit(bytes.fromhex("00B0810000")).hex() == "6982"

    def test_replayed_command_ends_session(self, chip: Chip) -> None:
        terminal = by_bac(chip)
        assert terminal.channel is not None
        apdu = terminal.channel.wrap(0, 0xB0, 0x81, 0, b"", b"\x04")
        assert chip.transmit(apdu).endswith(b"\x90\x00")
        assert chip.transmit(apdu).hex() == "6988"

    @pytest.mark.parametrize(("content", "sw"), [
        (do(0x97, b"\x00"), "6987"),
        (b"", "6987"),
        (do(0x8E, bytes(8)) + do(0x97, b"\x00"), "6988"),
        (do(0x97, b"\x00") * 2 + do(0x8E, bytes(8)), "6988"),
        (do(0x81, b"\x00") + do(0x8E, bytes(8)), "6988"),
        (do(0x97, b"\x00") + do(0x87, bytes(9)) + do(0x8E, bytes(8)), "6988"),
        (b"\x97\x05\x00", "6988"),
    ])  # fmt: skip
    def test_objects_must_be_present_and_right(self, chip: Chip, content: bytes, sw: str) -> None:
        by_bac(chip)
        lc = bytes([len(content)]) if content else b""
        assert chip.transmit(bytes.fromhex("0CB08100") + lc + content + b"\x00").hex() == sw

    @pytest.mark.parametrize("body", [
        do(0x87, b"\x02" + bytes(8)), do(0x87, b"\x01" + bytes(7)), None,
        do(0x85, bytes(8)), do(0x97, bytes(3)), do(0x87, b""),
    ])  # fmt: skip
    def test_wrong_objects_with_right_mac_fail(self, chip: Chip, body: bytes | None) -> None:
        terminal = by_bac(chip)
        channel = terminal.channel
        assert channel is not None
        channel.ssc += 1
        if body is None:  # without padding; one of 255 random blocks would have it
            body = do(0x87, b"\x01" + cbc(channel.suite, channel.kenc, bytes(8)))
        mac = channel.mac(bytes.fromhex("0CA4020C80000000") + body)
        content = body + do(0x8E, mac)
        assert (
            chip.transmit(bytes.fromhex("0CA4020C") + bytes([len(content)]) + content + b"\x00").hex()
            == "6988"
        )

    def test_terminal_detects_altered_reply(self, chip: Chip) -> None:
        terminal = by_bac(chip)
        terminal.transmit = lambda apdu: (
            (r := bytearray(chip.transmit(apdu))).__setitem__(5, r[5] ^ 1) or bytes(r)
        )
        with pytest.raises(MacError):
            terminal.send(0, 0xB0, 0x81, 0, le=4)

    def test_without_session_nothing_is_protected(self, chip: Chip) -> None:
        assert (
            chip.transmit(bytes.fromhex("0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800")).hex()
            == "6985"
        )


@pytest.mark.parametrize("number", range(12))
def test_any_traveller_can_be_read(utopia: IssuingState, number: int) -> None:
    travellers = TravellerGenerator(number, mix={Format.TD1: 1, Format.TD2: 1, Format.TD3: 1})
    document = travellers.document()
    terminal = by_bac(Chip.issue(document, utopia))
    holds_the_zone(terminal, document)
    assert terminal.read(COM)[0] == 0x60
    assert terminal.read(0x010B)[0] == 0x6B


def test_every_parameter_set_has_name() -> None:
    assert set(BY_NAME.values()) == set(STANDARDISED) == {0, 1, 2, *range(8, 19)}
