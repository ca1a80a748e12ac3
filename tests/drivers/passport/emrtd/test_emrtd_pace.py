"""PACE, byte for byte, as worked through in ICAO Doc 9303-11, appendices G, H and I."""

import pytest
from support.chips.replay import drawn, replayed

from drivers.passport.emrtd.crypto.ciphers import AUTHENTICATION, ENCRYPTION, Suite
from drivers.passport.emrtd.crypto.key_agreement import (
    DhKeyAgreement,
    EcKeyAgreement,
    pseudo_random,
    standardized_parameters,
)
from drivers.passport.emrtd.errors import (
    AccessDeniedError,
    ChipError,
    CommandRefusedError,
    MalformedError,
    UnsupportedError,
)
from drivers.passport.emrtd.protocols import pace
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.protocols.security_infos import PaceInfo, SecurityInfos
from drivers.passport.emrtd.transport.secure_messaging import Channel

ECDH_GM = "31143012060A04007F0007020204020202010202010D"
DH_GM = "31143012060A04007F00070202040102020102020100"
DH_IM = "31143012060A04007F00070202040302020102020100"
ECDH_IM = "31143012060A04007F0007020204040202010202010D"
ECDH_CAM = "31143012060A04007F0007020204060202010202010D"
ERIKSSON = Password.from_fields("T22000129", "640812", "101031")
KOWALSKA = Password.from_fields("C11T002JM", "960812", "231031")

G1_TERMINAL_MAP = "7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99"
G1_CHIP_MAP_KEY = (
    "04824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57"
    "30D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C54"
)
G1_TERMINAL_KEY = "A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595"
G1_EXCHANGE = [
    ("0022C1A40F800A04007F00070202040202830101", "9000"),
    ("10860000027C0000", "7C12801095A3A016522EE98D01E76CB6B98B42C39000"),
    (
        "10860000457C438141047ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E"
        "544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D00",
        "7C438241" + G1_CHIP_MAP_KEY + "9000",
    ),
    (
        "10860000457C438341042DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C"
        "3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB3646200",
        "7C438441049E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB7764B22277"
        "A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F0949000",
    ),
    ("008600000C7C0A8508C2B0BD78D94BA86600", "7C0A86083ABB9674BCE93C089000"),
]
G1_RANDOM = [G1_TERMINAL_MAP, G1_TERMINAL_KEY]

G2_TERMINAL_MAP = "5265030F751F4AD18B08AC565FC7AC952E41618D"
G2_CHIP_MAP_KEY = (
    "78879F57225AA8080D52ED0FC890A4B25336F699AA89A2D3A189654AF70729E623EA5738B26381E4DA19E004706FACE7"
    "B235C2DBF2F38748312F3C98C2DD4882A41947B324AA1259AC22579DB93F7085655AF30889DBB845D9E6783FE42C9F24"
    "49400306254C8AE8EE9DD812A804C0B66E8CAFC14F84D8258950A91B44126EE6"
)
G2_EXCHANGE = [
    ("0022C1A40F800A04007F00070202040102830101", "9000"),
    ("10860000027C0000", "7C128010854D8DF5827FA6852D1A4FA701CDDDCA9000"),
    (
        "10860000867C818381818023FB3749EA030D2A25B278D2A562047ADE3F01B74F17A15402CB7352CA7D2B3E"
        "B71C343DB13D1DEBCE9A3666DBCFC920B49174A602CB47965CAA73DC702489A44D41DB914DE9613DC5E98C"
        "94160551C0DF86274B9359BC0490D01B03AD54022DCB4F57FAD6322497D7A1E28D46710F461AFE710FBBBC"
        "5F8BA166F4311975EC6C00",
        "7C8183828180" + G2_CHIP_MAP_KEY + "9000",
    ),
    (
        "10860000867C8183838180907D89E2D425A178AA81AF4A7774EC8E388C115CAE67031E85EECE520BD91155"
        "1B9AE4D04369F29A02626C86FBC6747CC7BC352645B6161A2A42D44EDA80A08FA8D61B76D3A154AD8A5A51"
        "786B0BC07147057871A922212C5F67F43173172236B7747D1671E6D692A3C7D40A0C3C5CE397545D015C17"
        "5EB5130551EDBC2EE5D400",
        "7C8183848180075693D9AE941877573E634B6E644F8E60AF17A0076B8B123D9201074D36152BD8B3A213F5"
        "3820C42ADC79AB5D0AEEC3AEFB91394DA476BD97B9B14D0A65C1FC71A0E019CB08AF55E1F729005FBA7E3F"
        "A5DC41899238A250767A6D46DB974064386CD456743585F8E5D90CC8B4004B1F6D866C79CE0584E49687FF"
        "61BC29AEA19000",
    ),
    ("008600000C7C0A8508B46DD9BD4D98381F00", "7C0A8608917F37B5C0E6D8D19000"),
]
G2_RANDOM = [G2_TERMINAL_MAP, "89CCD99B0E8D3B1F11E1296DCA68EC53411CF2CA"]

# The exponent that appendix H.2 prints has 1024 bits; the generator's order makes only its rest count.
Q_1024_160 = 0xF518AA8781A8DF278ABA4E7D64B7CB9D49462353
H2_PRINTED = int(
    "4BD0E54740F9A028E6A515BFDAF967848C4F5F5FFF65AA0915947FFD1A0DF2FA6981271BC905F3551457B7E03AC3B806"
    "6DE4AA406C1171FB43DD939C4BA16175103BA3DEE16419AA248118F90CC36A3D6F4C373652E0C3CCE7F0F1D0C5425B36"
    "00F0F0D6A67F004C8BBA33F2B4733C7252445C1DFC4F1107203F71D2EFB28161",
    16,
)
H2_EXCHANGE = [
    ("0022C1A40F800A04007F00070202040302830101", "9000"),
    ("10860000027C0000", "7C1280109ABB8864CA0FF1551E620D1EF4E135109000"),
    ("10860000147C128110B3A6DB3C870C3E99245E0D1C06B747DE00", "9000"),
    (
        "10860000867C81838381800F0CC62945A8029251FB7EF3C094E12EC68E4EF07F27CB9D9CD04C5C4250FAE0"
        "E4F8A951557E929AEB48E5C6DD47F2F5CD7C351A9BD2CD722C07EDE166770F08FFCB370262CF308DD7B07F"
        "2E0DA9CAAA1492344C852906919538C98A4BA4187E76CE9D87832386D319CE2E043C3343AEAE6EDBA1A989"
        "4DC5094D22F7FE1351D500",
        "7C8183848180928D9A0F9DBA450F13FC859C6F290D1D36E42431138A4378500BEB4E0401854CFF111F71CB"
        "6DC1D0335807A11388CC8EAA87B07907AAD9FBA6B169AF6D8C26AF8DDDC39ADC3AD2E3FF882B84D23E9768"
        "E95A80E4746FB07A9767679FE92133B4D379935C771BD7FBED6C7BB4B1708B275EA75679524CDC9C6A9137"
        "0CC662A2F39000",
    ),
    ("008600000C7C0A850855D61977CBF5307E00", "7C0A8608C2F04230187E15259000"),
]
H1_EXCHANGE = [
    ("0022C1A40F800A04007F00070202040402830101", "9000"),
    ("10860000027C0000", "7C128010143DC40C08C8E891FBED7DEDB92B64AD9000"),
    ("10860000147C1281105DD4CBFC96F5453B130D890A1CDBAE3200", "9000"),
    (
        "10860000457C4383410489CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D4"
        "6755DE9B7B778280B6BEBD57439ADFEB0E21FD4ED6DF42578C13418A59B34C3700",
        "7C4384410467F78E5F7F7686082B293E8D087E056916D0F74BC01A5F8957D0DE45691E51E8932B69A962"
        "B52A0985AD2C0A271EE6A13A8ADDDCD1A3A994B9DED257F4D227539000",
    ),
    ("008600000C7C0A8508450F02B86F6A090900", "7C0A860875D4D96E8D5B03089000"),
]
I_EXCHANGE = [
    ("0022C1A40F800A04007F00070202040602830101", "9000"),
    ("10860000027C0000", "7C128010CB60E8E0D85B76A9BD304747C2AD42E29000"),
    (
        "10860000457C438141047F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE"
        "1AB889104A27DB6D842B019020FBF3CEACB0DC627F7BDCAC29969E19D0E553C100",
        "7C43824104A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B304F365713A"
        "356E65A451E165ECC9AC0AC46E3771342C8FE5AEDD092685338E239000",
    ),
    (
        "10860000457C43834104446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F95"
        "5483400BFF60BF0C5929270009277DC2A515E12575010AD9BA916CF1BF86FEFC00",
        "7C4384410402AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA993333111C3B9B4C2"
        "287789BD137E7F8AA882E2A3C633CCD6ECC2C63C57AD401A09C2E19000",
    ),
    (
        "008600000C7C0A8508E86BD06018A1CD3B00",
        "7C3C86088596CF055C67C1A38A301EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F"
        "5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F929000",
    ),
]
I_RANDOM = [
    "5D8BB87BD74D985A4B7D4325B9F7B976FE835122773400798914AA22738135CC",
    "76ECFDAA9841C323A3F5FC5E88B88DB3EFF7E35EBF57A7E6946CB630006C2120",
]


def info_of(card_access: str) -> PaceInfo:
    (info,) = SecurityInfos.from_card_access(bytes.fromhex(card_access)).usable_pace()
    return info


def keys_of(session: object) -> tuple[str, str]:
    return session._secret_key.hex().upper(), session._mac_key.hex().upper()


def test_appendix_g_key_from_zone_digest() -> None:
    assert ERIKSSON.secret == "T22000129364081251010318"
    assert ERIKSSON.to_bytes.hex().upper() == "7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD"
    assert ERIKSSON.pace_key(Suite.AES_128).hex().upper() == "89DED1B26624EC1E634C1989302849DD"


@pytest.mark.parametrize(
    ("card_access", "password", "numbers", "exchange", "keys"),
    [
        pytest.param(
            ECDH_GM,
            ERIKSSON,
            G1_RANDOM,
            G1_EXCHANGE,
            ("F5F0E35C0D7161EE6724EE513A0D9A7F", "FE251C7858B356B24514B3BD5F4297D1"),
            id="G.1 generic mapping over brainpoolP256r1",
        ),
        pytest.param(
            DH_GM,
            ERIKSSON,
            G2_RANDOM,
            G2_EXCHANGE,
            ("2F7F46ADCC9E7E521B45D192FAFA9126", "805A1D27D45A5116F73C54469462B7D8"),
            id="G.2 generic mapping in the group of 1024 bits",
        ),
        pytest.param(
            ECDH_CAM,
            KOWALSKA,
            I_RANDOM,
            I_EXCHANGE,
            ("0A9DA4DB03BDDE39FC5202BC44B2E89E", "4B1C06491ED5140CA2B537D344C6C0B1"),
            id="I chip authentication mapping",
        ),
    ],
)
def test_worked_examples(
    card_access: str,
    password: Password,
    numbers: list[str],
    exchange: list[tuple[str, str]],
    keys: tuple[str, str],
) -> None:
    channel = Channel(replayed(exchange))
    session = pace.perform(channel, info_of(card_access), password, drawn(numbers))

    assert keys_of(session) == keys
    assert session.counter == bytes(16)


@pytest.mark.parametrize(
    ("card_access", "numbers", "exchange", "keys"),
    [
        pytest.param(
            ECDH_IM,
            ["5DD4CBFC96F5453B130D890A1CDBAE32", G1_TERMINAL_KEY],
            H1_EXCHANGE,
            ("0D3FEB33251A6370893D62AE8DAAF51B", "B01E89E3D9E8719E586B50B4A7506E0B"),
            id="H.1 integrated mapping over brainpoolP256r1",
        ),
        pytest.param(
            DH_IM,
            ["B3A6DB3C870C3E99245E0D1C06B747DE", f"{H2_PRINTED % Q_1024_160:040X}"],
            H2_EXCHANGE,
            ("01AFC10CF87BE36D8179E87370171F07", "23F0FBD05FD6C7B8B88F4C8309669061"),
            id="H.2 integrated mapping in the group of 1024 bits",
        ),
    ],
)
def test_worked_examples_of_appendix_h(
    monkeypatch: pytest.MonkeyPatch,
    card_access: str,
    numbers: list[str],
    exchange: list[tuple[str, str]],
    keys: tuple[str, str],
) -> None:
    # Appendix H prints K_pi, but not the zone it comes from.
    monkeypatch.setattr(
        Password, "pace_key", lambda self, suite: bytes.fromhex("591468CDA83D65219CCCB8560233600F")
    )
    session = pace.perform(Channel(replayed(exchange)), info_of(card_access), ERIKSSON, drawn(numbers))

    assert keys_of(session) == keys


def test_every_value_of_g1_on_the_way() -> None:
    agreement = standardized_parameters(13)
    assert isinstance(agreement, EcKeyAgreement)
    nonce = Suite.AES_128.decrypt(
        ERIKSSON.pace_key(Suite.AES_128), bytes.fromhex("95A3A016522EE98D01E76CB6B98B42C3")
    )
    assert nonce.hex().upper() == "3F00C4D39D153F2B2A214A078D899B22"
    private = int(G1_TERMINAL_MAP, 16)
    chip = agreement.curve.decode(bytes.fromhex(G1_CHIP_MAP_KEY))
    assert agreement.curve.multiply(private, chip) == (
        0x60332EF2450B5D247EF6D3868397D398852ED6E8CAF6FFEEF6BF85CA57057FD5,
        0x0840CA7415BAF3E43BD414D35AA4608B93A2CAF3A4E3EA4E82C9C13D03EB7181,
    )
    mapped = agreement.map_generic(nonce, private, bytes.fromhex(G1_CHIP_MAP_KEY))
    assert mapped.generator == (
        0x8CED63C91426D4F0EB1435E7CB1D74A46723A0AF21C89634F65A9AE87A9265E2,
        0x8C879506743F8611AC33645C5B985C80B5F09A0B83407C1B6A4D857AE76FE522,
    )
    chip_key = bytes.fromhex(G1_EXCHANGE[3][1])[4:-2]
    secret = mapped.shared_secret(int(G1_TERMINAL_KEY, 16), chip_key)
    assert secret.hex().upper() == "28768D20701247DAE81804C9E780EDE582A9996DB4A315020B2733197DB84925"
    assert Suite.AES_128.derive(secret, ENCRYPTION).hex().upper() == "F5F0E35C0D7161EE6724EE513A0D9A7F"
    mac_key = Suite.AES_128.derive(secret, AUTHENTICATION)
    protocol = info_of(ECDH_GM).protocol
    assert pace.token(Suite.AES_128, mac_key, protocol, mapped, chip_key).hex().upper() == "C2B0BD78D94BA866"


def test_every_value_of_g2_on_the_way() -> None:
    agreement = standardized_parameters(0)
    assert isinstance(agreement, DhKeyAgreement)
    nonce = bytes.fromhex("FA5B7E3E49753A0DB9178B7B9BD898C8")
    encrypted = bytes.fromhex("854D8DF5827FA6852D1A4FA701CDDDCA")
    assert Suite.AES_128.decrypt(ERIKSSON.pace_key(Suite.AES_128), encrypted) == nonce
    private = int(G2_TERMINAL_MAP, 16)
    agreed = agreement.shared_secret(private, bytes.fromhex(G2_CHIP_MAP_KEY))
    assert agreed.hex().upper() == (
        "5BABEBEF5B74E5BA94B5C063FDA15F1F1CDE94873EE0A5D3A2FCAB49F258D07F544F13CB66658C3AFEE9E727389BE3F6"
        "CBBBD32128A8C21DD6EEA3CF7091CDDFB08B8D007D40318DCCA4FFBF51208790FB4BD111E5A968ED6B6F08B26CA87C41"
        "0B3CE0C310CE104EABD16629AA48620C1279270CB0750C0D37C57FFFE302AE7F"
    )
    mapped = agreement.map_generic(nonce, private, bytes.fromhex(G2_CHIP_MAP_KEY))
    assert f"{mapped.generator:X}" == (
        "7C9CBFE98F9FBDDA8D143506FA7D9306F4CB17E3C71707AFF5E1C1A12370249684D64EE37AF44B8DBD9D45BF6023919C"
        "BAA027AB97ACC771666C8E98FF483301BFA4872DEDE9034EDFACB70814166B7F360676829B826BEA57291B5AD69FBC84"
        "EF1E779032A305803F74341793E869742D401325B37EE8565FFCDEE618342DC5"
    )
    secret = mapped.shared_secret(int(G2_RANDOM[1], 16), bytes.fromhex(G2_EXCHANGE[3][1])[6:-2])
    assert secret.hex().upper().startswith("6BABC7B3A72BCD7EA385E4C62DB2625BD8613B24149E146A629311C4CA6698E3")


def test_every_value_of_h_on_the_way() -> None:
    mapped = standardized_parameters(13).map_integrated(
        Suite.AES_128,
        bytes.fromhex("2923BE84E16CD6AE529049F1F1BBE9EB"),
        bytes.fromhex("5DD4CBFC96F5453B130D890A1CDBAE32"),
    )
    assert isinstance(mapped, EcKeyAgreement)
    assert mapped.generator[0] == 0x8E82D31559ED0FDE92A4D0498ADD3C23BABA94FB77691E31E90AEA77FB17D427
    group = standardized_parameters(0).map_integrated(
        Suite.AES_128,
        bytes.fromhex("FA5B7E3E49753A0DB9178B7B9BD898C8"),
        bytes.fromhex("B3A6DB3C870C3E99245E0D1C06B747DE"),
    )
    assert isinstance(group, DhKeyAgreement)
    assert f"{group.generator:X}" == (
        "1D7D767F11E333BCD6DBAEF40E799E7A926B96973550656FF3C830726D118D61C276CDCC61D475CF03A98E0C0E79CAEB"
        "A5BE25578BD4551D0B10903236F0B0F976852FA78EEA14EA0ACA87D1E91F688FE0DFF897BBE35A472621D343564B262F"
        "34223AE8FC59B664BFEDFA2BFE7516CA5510A6BBB633D517EC25D4E0BBAA16C2"
    )


def test_wrong_token_denies_access() -> None:
    exchange = [*G1_EXCHANGE[:-1], (G1_EXCHANGE[-1][0], "7C0A86083ABB9674BCE93C099000")]
    with pytest.raises(AccessDeniedError):
        pace.perform(Channel(replayed(exchange)), info_of(ECDH_GM), ERIKSSON, drawn(G1_RANDOM))


@pytest.mark.parametrize("status", ["6300", "63C2", "6983"])
def test_refused_token_denies_access(status: str) -> None:
    exchange = [*G1_EXCHANGE[:-1], (G1_EXCHANGE[-1][0], status)]
    with pytest.raises(AccessDeniedError):
        pace.perform(Channel(replayed(exchange)), info_of(ECDH_GM), ERIKSSON, drawn(G1_RANDOM))


def test_other_refusal_is_no_wrong_password() -> None:
    exchange = [*G1_EXCHANGE[:-1], (G1_EXCHANGE[-1][0], "6F00")]
    with pytest.raises(CommandRefusedError) as refused:
        pace.perform(Channel(replayed(exchange)), info_of(ECDH_GM), ERIKSSON, drawn(G1_RANDOM))
    assert refused.value.status == 0x6F00


@pytest.mark.parametrize("step", [2, 3])
def test_reflected_key_is_detected(step: int) -> None:
    ours = G1_EXCHANGE[step][0][14:-2]
    echoed = "7C43" + f"{int(ours[:2], 16) + 1:02X}" + ours[2:] + "9000"
    exchange = [*G1_EXCHANGE[:step], (G1_EXCHANGE[step][0], echoed)]
    with pytest.raises(MalformedError, match="own key"):
        pace.perform(Channel(replayed(exchange)), info_of(ECDH_GM), ERIKSSON, drawn(G1_RANDOM))


def test_key_off_the_curve_is_refused() -> None:
    answer = G1_EXCHANGE[2][1]
    bent = answer[:-6] + f"{int(answer[-6:-4], 16) ^ 1:02X}" + "9000"
    exchange = [*G1_EXCHANGE[:2], (G1_EXCHANGE[2][0], bent)]
    with pytest.raises(ChipError):
        pace.perform(Channel(replayed(exchange)), info_of(ECDH_GM), ERIKSSON, drawn(G1_RANDOM))


@pytest.mark.parametrize("length", [0, 8, 15, 17, 48])
def test_nonce_of_wrong_length_is_refused(length: int) -> None:
    answer = f"7C{length + 2:02X}80{length:02X}" + "00" * length + "9000"
    with pytest.raises(MalformedError):
        pace.perform(
            Channel(replayed([G1_EXCHANGE[0], (G1_EXCHANGE[1][0], answer)])),
            info_of(ECDH_GM),
            ERIKSSON,
            drawn([]),
        )


def test_ambiguous_parameters_are_sent() -> None:
    command = "0022C1A412800A04007F0007020204020283010184010D"
    with pytest.raises(CommandRefusedError):
        pace.perform(
            Channel(replayed([(command, "6A80")])), info_of(ECDH_GM), ERIKSSON, drawn([]), ambiguous=True
        )


def test_can_has_its_own_reference_and_key() -> None:
    can = Password.from_can("500540")
    assert can.pace_key(Suite.AES_128) == Suite.AES_128.derive(b"500540", 3)
    with pytest.raises(CommandRefusedError):
        pace.perform(
            Channel(replayed([("0022C1A40F800A04007F00070202040202830102", "6A80")])),
            info_of(ECDH_GM),
            can,
            drawn([]),
        )


@pytest.mark.parametrize(
    ("suite", "parameter_id", "mapping"),
    [
        (suite, parameter_id, mapping)
        for mapping, ids in (("gm", (8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 0, 1, 2)), ("im", (12, 18, 2)))
        for suite, parameter_id in zip([*Suite] * 4, ids, strict=False)
    ],
)
def test_both_sides_map_to_one_generator(suite: Suite, parameter_id: int, mapping: str) -> None:
    reader = chip = standardized_parameters(parameter_id)
    numbers = iter(range(7, 1000, 13))

    def random(size: int) -> bytes:
        return next(numbers).to_bytes(size, "big")

    if mapping == "gm":
        nonce = bytes(range(16))
        a, b = reader.private_key(random), chip.private_key(random)
        key_a, key_b = reader.public_key(a), chip.public_key(b)
        reader, chip = reader.map_generic(nonce, a, key_b), chip.map_generic(nonce, b, key_a)
    else:
        nonce = bytes(range(16 if suite.key_size == 16 else 32))
        terminal_nonce = bytes(range(suite.key_size))
        reader = reader.map_integrated(suite, nonce, terminal_nonce)
        chip = chip.map_integrated(suite, nonce, terminal_nonce)
    a, b = reader.private_key(random), chip.private_key(random)
    secret = reader.shared_secret(a, chip.public_key(b))
    assert reader == chip
    assert secret == chip.shared_secret(b, reader.public_key(a))


def test_integrated_mapping_p224_unsupported() -> None:
    with pytest.raises(UnsupportedError):
        standardized_parameters(10).map_integrated(Suite.AES_128, bytes(16), bytes(16))


def test_mapping_refuses_nonce_of_wrong_length() -> None:
    with pytest.raises(MalformedError):
        pseudo_random(Suite.AES_256, bytes(16), bytes(32), 23)


def test_reserved_parameters_are_unsupported() -> None:
    with pytest.raises(UnsupportedError):
        standardized_parameters(5)


def test_broken_random_source_ends() -> None:
    with pytest.raises(UnsupportedError):
        standardized_parameters(13).private_key(bytes)


def test_best_usable_pace_comes_first() -> None:
    ways = ["01010200", "0203020C", "0201020D", "04020210", "06040211", "0202021F", "0102020D"]
    items = "".join(f"3012060A04007F0007020204{way[:4]}0201020201{way[6:]}" for way in ways)
    infos = SecurityInfos.from_card_access(bytes.fromhex(f"3181{len(items) // 2:02X}{items}"))
    assert len(infos.pace) == 7
    assert [(i.mapping, i.suite, i.parameter_id) for i in infos.usable_pace()] == [
        ("gm", Suite.AES_192, 12),
        ("gm", Suite.TDES, 13),
        ("im", Suite.AES_128, 16),
        ("cam", Suite.AES_256, 17),
        ("gm", Suite.TDES, 0),
    ]
