"""The worked examples of Doc 9303-11 from the chip's side: with their randomness, the bytes must match."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simulators.mrz import Document, Format
from simulators.passport.chip import (
    Access,
    Chip,
    Cipher,
    EcParameters,
    IssuingState,
    Mapping,
    PaceInfo,
    Profile,
)
from simulators.passport.chip.crypto.ciphers import FOR_ENCRYPTION, FOR_MAC, FROM_PASSWORD
from simulators.passport.chip.crypto.domain_parameters import STANDARDISED
from simulators.passport.chip.crypto.key_agreement import KeyPair
from simulators.passport.chip.file_system import COM, ElementaryFile
from simulators.passport.chip.personalisation import personalise
from simulators.passport.chip.protocols.chip_authentication import ChipAuthenticationKey
from simulators.passport.chip.protocols.pace import Pace, passwords
from simulators.passport.chip.protocols.pace_mapping import map_integrated
from simulators.passport.chip.protocols.secure_messaging import SecureMessaging
from simulators.passport.chip.session import AccessLevel

BEARER = Document(
    format=Format.TD3, code="P", issuer="UTO", number="L898902C", nationality="UTO", surname="Eriksson",
    given_names="Anna Maria", birth="690806", sex="F", expiry="940623",
)  # fmt: skip
CARD_ACCESS = "31143012060A04007F0007020204020202010202010D"


def scripted(*values: str) -> Callable[[int], bytes]:
    """Return scripted values as randomness; a draw of another size fails the test."""
    left = [bytes.fromhex(value) for value in values]

    def draw(size: int) -> bytes:
        value = left.pop(0)
        assert len(value) == size
        return value

    return draw


def exchange(chip: Chip, command: str) -> str:
    return chip.transmit(bytes.fromhex(command)).hex().upper()


@pytest.fixture(scope="module")
def utopia() -> IssuingState:
    return IssuingState.create()


class TestAppendixD:
    """Basic Access Control and the reading of EF.COM under 3DES."""

    @pytest.fixture
    def chip(self, utopia: IssuingState) -> Chip:
        written = personalise(BEARER, utopia, Profile(access=Access.BAC))
        com = bytes.fromhex("60145F0104303130365F36063034303030305C026175")
        application = tuple(ElementaryFile(COM, com) if f.file_id == COM else f for f in written.application)
        random = scripted("4608F91988702212", "0B4F80323EB3191CB04970CB4052790B")
        return Chip(replace(written, application=application), random=random)

    def test_keys_of_the_document(self, chip: Chip) -> None:
        assert chip.personalisation.mrz_information == "L898902C<369080619406236"
        seed = bytes.fromhex("239AB9CB282DAF66231DC5A4DF6BFBAE")
        assert Cipher.TDES.derive(seed, FOR_ENCRYPTION).hex().upper() == "AB94FDECF2674FDFB9B391F85D7F76F2"
        assert Cipher.TDES.derive(seed, FOR_MAC).hex().upper() == "7962D9ECE03D1ACD4C76089DCE131543"

    def test_every_command_is_answered_exactly(self, chip: Chip) -> None:
        assert exchange(chip, "00A4040C07A0000002471001") == "9000"
        assert exchange(chip, "0084000008") == "4608F919887022129000"
        assert exchange(
            chip,
            "008200002872C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A728",
        ) == ("46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D74499000")
        assert exchange(chip, "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800") == (
            "990290008E08FA855A5D4C50A8ED9000"
        )
        assert exchange(chip, "0CB000000D9701048E08ED6705417E96BA5500") == (
            "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000"
        )
        assert exchange(chip, "0CB000040D9701128E082EA28A70F3C7B53500") == (
            "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000"
        )

    def test_session_keys(self) -> None:
        seed = bytes.fromhex("0036D272F5C350ACAC50C3F572D23600")
        assert Cipher.TDES.derive(seed, FOR_ENCRYPTION).hex().upper() == "979EC13B1CBFE9DCD01AB0FED307EAE5"
        assert Cipher.TDES.derive(seed, FOR_MAC).hex().upper() == "F1CB1F1FB5ADF208806B89DC579DC1F8"


class TestAppendixG:
    """PACE with Generic Mapping."""

    def test_over_a_curve(self, utopia: IssuingState) -> None:
        document = replace(BEARER, number="T22000129", birth="640812", expiry="101031")
        chip = Chip(
            personalise(document, utopia, Profile(access=Access.PACE)),
            random=scripted(
                "3F00C4D39D153F2B2A214A078D899B22",
                "498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560",
                "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A",
            ),
        )
        known = chip.personalisation.passwords[1]
        assert known.hex().upper() == "7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD"
        assert Cipher.AES_128.derive(known, FROM_PASSWORD).hex().upper() == "89DED1B26624EC1E634C1989302849DD"
        assert exchange(chip, "00A4020C02011C") == "9000"
        assert exchange(chip, "00B0000000") == CARD_ACCESS + "9000"
        assert exchange(chip, "0022C1A40F800A04007F00070202040202830101") == "9000"
        assert exchange(chip, "10860000027C0000") == "7C12801095A3A016522EE98D01E76CB6B98B42C39000"
        assert exchange(
            chip,
            "10860000457C438141047ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E"
            "544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D00",
        ) == (
            "7C43824104824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57"
            "30D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C549000"
        )
        assert exchange(
            chip,
            "10860000457C438341042DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C"
            "3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB3646200",
        ) == (
            "7C438441049E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB"
            "7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F0949000"
        )
        assert exchange(chip, "008600000C7C0A8508C2B0BD78D94BA86600") == "7C0A86083ABB9674BCE93C089000"
        session = chip._session._secure
        assert session is not None
        assert session._encryption_key.hex().upper() == "F5F0E35C0D7161EE6724EE513A0D9A7F"
        assert session._mac_key.hex().upper() == "FE251C7858B356B24514B3BD5F4297D1"
        assert session.counter == 0

    def test_modulo_a_prime(self, utopia: IssuingState) -> None:
        document = replace(BEARER, number="T22000129", birth="640812", expiry="101031")
        info = PaceInfo(Mapping.GENERIC, Cipher.AES_128, 0)
        chip = Chip(
            personalise(document, utopia, Profile(access=Access.PACE, pace=(info,))),
            random=scripted(
                "FA5B7E3E49753A0DB9178B7B9BD898C8",
                "66DDAFEAC1609CB5B963BB0CB3FF8B3E047F336C",
                "A5B780126B7C980E9FCEA1D4539DA1D27C342DFA",
            ),
        )
        assert exchange(chip, "0022C1A40F800A04007F00070202040102830101") == "9000"
        assert exchange(chip, "10860000027C0000") == "7C128010854D8DF5827FA6852D1A4FA701CDDDCA9000"
        assert exchange(
            chip,
            "10860000867C818381818023FB3749EA030D2A25B278D2A562047ADE3F01B74F17A15402CB7352CA7D2B3E"
            "B71C343DB13D1DEBCE9A3666DBCFC920B49174A602CB47965CAA73DC702489A44D41DB914DE9613DC5E98C94160551C0"
            "DF86274B9359BC0490D01B03AD54022DCB4F57FAD6322497D7A1E28D46710F461AFE710FBBBC5F8BA166F4311975EC6C00",
        ) == (
            "7C818382818078879F57225AA8080D52ED0FC890A4B25336F699AA89A2D3A189654AF70729E6"
            "23EA5738B26381E4DA19E004706FACE7B235C2DBF2F38748312F3C98C2DD4882A41947B324AA1259AC22579DB93F7085"
            "655AF30889DBB845D9E6783FE42C9F2449400306254C8AE8EE9DD812A804C0B66E8CAFC14F84D8258950A91B44126EE69000"
        )
        assert exchange(
            chip,
            "10860000867C8183838180907D89E2D425A178AA81AF4A7774EC8E388C115CAE67031E85EECE520BD91155"
            "1B9AE4D04369F29A02626C86FBC6747CC7BC352645B6161A2A42D44EDA80A08FA8D61B76D3A154AD8A5A51786B0BC071"
            "47057871A922212C5F67F43173172236B7747D1671E6D692A3C7D40A0C3C5CE397545D015C175EB5130551EDBC2EE5D400",
        ) == (
            "7C8183848180075693D9AE941877573E634B6E644F8E60AF17A0076B8B123D9201074D36152B"
            "D8B3A213F53820C42ADC79AB5D0AEEC3AEFB91394DA476BD97B9B14D0A65C1FC71A0E019CB08AF55E1F729005FBA7E3F"
            "A5DC41899238A250767A6D46DB974064386CD456743585F8E5D90CC8B4004B1F6D866C79CE0584E49687FF61BC29AEA19000"
        )
        assert exchange(chip, "008600000C7C0A8508B46DD9BD4D98381F00") == "7C0A8608917F37B5C0E6D8D19000"
        session = chip._session._secure
        assert session is not None
        assert session._encryption_key.hex().upper() == "2F7F46ADCC9E7E521B45D192FAFA9126"
        assert session._mac_key.hex().upper() == "805A1D27D45A5116F73C54469462B7D8"


class TestAppendixH:
    """PACE with Integrated Mapping; the appendix gives the key of the nonce, not the password."""

    PASSWORD_KEY = bytes.fromhex("591468CDA83D65219CCCB8560233600F")

    def run(self, info: PaceInfo, nonce: str, private: str) -> Pace:
        pace = Pace(info, b"", scripted(nonce, private), None)
        pace._password_key = self.PASSWORD_KEY
        return pace

    def step(self, pace: Pace, data: str, *, chained: bool = True) -> str:
        return pace.general_authenticate(bytes.fromhex(data), chained=chained).hex().upper()

    def test_onto_a_curve(self) -> None:
        pace = self.run(
            PaceInfo(Mapping.INTEGRATED, Cipher.AES_128, 13),
            "2923BE84E16CD6AE529049F1F1BBE9EB",
            "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A",
        )
        assert self.step(pace, "7C00") == "7C128010143DC40C08C8E891FBED7DEDB92B64AD"
        assert self.step(pace, "7C1281105DD4CBFC96F5453B130D890A1CDBAE32") == "7C028200"
        assert self.step(
            pace,
            "7C4383410489CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D4"
            "6755DE9B7B778280B6BEBD57439ADFEB0E21FD4ED6DF42578C13418A59B34C37",
        ) == (
            "7C4384410467F78E5F7F7686082B293E8D087E056916D0F74BC01A5F8957D0DE45691E51E8"
            "932B69A962B52A0985AD2C0A271EE6A13A8ADDDCD1A3A994B9DED257F4D22753"
        )
        assert self.step(pace, "7C0A8508450F02B86F6A0909", chained=False) == "7C0A860875D4D96E8D5B0308"
        assert pace.session is not None
        assert pace.session._encryption_key.hex().upper() == "0D3FEB33251A6370893D62AE8DAAF51B"
        assert pace.session._mac_key.hex().upper() == "B01E89E3D9E8719E586B50B4A7506E0B"

    def test_modulo_a_prime(self) -> None:
        # The appendix has a private key of 1024 bits; modulo the order it has the same public key.
        private = int(
            "020F018C7284B047FA7721A337EFB7ACB1440BB30C5252BD41C97C30C994BB78E9F0C5B32744D84017D21FFA6878396A"
            "6469CA283EF5C000DAF7D261A39AB8860ED4610AB5343390897AAB5A7787E4FAEFA0649C6A94FDF82D991E8E3FC332F5"
            "142729E7040A3F7D5A4D3CD75CBEE1F043C1CAD2DD484FEB4ED22B597D36688E",
            16,
        )
        pace = self.run(
            PaceInfo(Mapping.INTEGRATED, Cipher.AES_128, 0),
            "FA5B7E3E49753A0DB9178B7B9BD898C8",
            f"{private % STANDARDISED[0].order:040X}",
        )
        assert self.step(pace, "7C00") == "7C1280109ABB8864CA0FF1551E620D1EF4E13510"
        assert self.step(pace, "7C128110B3A6DB3C870C3E99245E0D1C06B747DE") == "7C028200"
        assert self.step(
            pace,
            "7C81838381800F0CC62945A8029251FB7EF3C094E12EC68E4EF07F27CB9D9CD04C5C4250FAE0E4F8A951557E929AEB48"
            "E5C6DD47F2F5CD7C351A9BD2CD722C07EDE166770F08FFCB370262CF308DD7B07F2E0DA9CAAA1492344C852906919538"
            "C98A4BA4187E76CE9D87832386D319CE2E043C3343AEAE6EDBA1A9894DC5094D22F7FE1351D5",
        ) == (
            "7C8183848180928D9A0F9DBA450F13FC859C6F290D1D36E42431138A4378500BEB4E0401854CFF111F71CB6DC1D03358"
            "07A11388CC8EAA87B07907AAD9FBA6B169AF6D8C26AF8DDDC39ADC3AD2E3FF882B84D23E9768E95A80E4746FB07A9767"
            "679FE92133B4D379935C771BD7FBED6C7BB4B1708B275EA75679524CDC9C6A91370CC662A2F3"
        )
        assert self.step(pace, "7C0A850855D61977CBF5307E", chained=False) == "7C0A8608C2F04230187E1525"
        assert pace.session is not None
        assert pace.session._encryption_key.hex().upper() == "01AFC10CF87BE36D8179E87370171F07"

    def test_mapped_generator(self) -> None:
        s, t = "2923BE84E16CD6AE529049F1F1BBE9EB", "5DD4CBFC96F5453B130D890A1CDBAE32"
        mapped = map_integrated(STANDARDISED[13], Cipher.AES_128, bytes.fromhex(s), bytes.fromhex(t))
        assert (
            f"{mapped.generator[0]:X}" == "8E82D31559ED0FDE92A4D0498ADD3C23BABA94FB77691E31E90AEA77FB17D427"
        )


class TestAppendixI:
    """PACE with Chip Authentication Mapping. The chip's static key is derived from its data."""

    def test_over_a_curve(self) -> None:
        order = STANDARDISED[13].order
        mapping = int("9E56A6B59C95D06ECE5CD10F983BB2F4F1943528E577F23881D89D8C3BBEE0AA", 16)
        quotient = int("85DC3FA93D0952BFA82F5FD189EE75BD82F11D1F0B8ED4BF5319AC9B53C426B3", 16)
        static = KeyPair(STANDARDISED[13], mapping * pow(quotient, -1, order) % order)
        assert static.public.hex().upper() == (
            "041872709494399E7470A6431BE25E83EEE24FEA568C2ED28DB48E05DB3A610DC8"
            "84D256A40E35EFCB59BF6753D3A489D28C7A4D973C2DA138A6E7A4A08F68E16F"
        )
        written = ChipAuthenticationKey(static, Cipher.AES_128, 13, EcParameters.STANDARDISED).public_key_info
        assert written.hex().upper() == (
            "3062060904007F0007020201023052300C060704007F0007010202010D0342"
            f"00{static.public.hex().upper()}02010D"
        )
        known = passwords("C11T002JM496081222310314", None)
        # The appendix has a second private key beyond the order, which no chip would draw.
        private = int("CD626EF3C256E235FE8912CAC28279E626008EDA6B3A05C4CF862A3BDAB79E78", 16)
        random = scripted("658B860BC94DF6F044FCE6D5C82CF8E5", f"{mapping:064X}", f"{private % order:064X}")
        template = bytes.fromhex("800A04007F00070202040602830101")
        info = PaceInfo(Mapping.CHIP_AUTHENTICATION, Cipher.AES_128, 13)
        pace = Pace.select(template, (info,), known, random, static)

        def step(data: str, *, chained: bool = True) -> str:
            return pace.general_authenticate(bytes.fromhex(data), chained=chained).hex().upper()

        assert step("7C00") == "7C128010CB60E8E0D85B76A9BD304747C2AD42E2"
        assert step(
            "7C438141047F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE"
            "1AB889104A27DB6D842B019020FBF3CEACB0DC627F7BDCAC29969E19D0E553C1"
        ) == (
            "7C43824104A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B3"
            "04F365713A356E65A451E165ECC9AC0AC46E3771342C8FE5AEDD092685338E23"
        )
        assert step(
            "7C43834104446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F95"
            "5483400BFF60BF0C5929270009277DC2A515E12575010AD9BA916CF1BF86FEFC"
        ) == (
            "7C4384410402AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA9933331"
            "11C3B9B4C2287789BD137E7F8AA882E2A3C633CCD6ECC2C63C57AD401A09C2E1"
        )
        assert step("7C0A8508E86BD06018A1CD3B", chained=False) == (
            "7C3C86088596CF055C67C1A38A301EEA964DAAE372AC990E3EFDE6333353BFC8"
            "9A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F92"
        )


def test_aes_256_session_of_real_document(utopia: IssuingState) -> None:
    """SELECT and two READ BINARY of EF.COM, published with gmrtd (iso7816, nfc_session_test.go)."""
    written = personalise(BEARER, utopia, Profile(access=Access.PACE))
    com = bytes.fromhex("60185F0104303130385F36063034303030305C06617563766D6E")
    application = tuple(ElementaryFile(COM, com) if f.file_id == COM else f for f in written.application)
    chip = Chip(replace(written, application=application))
    session = chip._session
    session._in_application, session._gained = True, AccessLevel.BY_PACE
    session._secure = SecureMessaging(
        Cipher.AES_256,
        bytes.fromhex("74B94F408BBB2CD92571FD5B6370A94CCE7A2FA42AE3EB4DA47B97CE6EAA24C6"),
        bytes.fromhex("9E28D5D9FF1D979BE752E8926BF0E1D35A440FC0AEFC4AA3BC5610055AC8B113"),
        0x20,
    )
    assert exchange(chip, "0CA4020C1D8711011D35E7EB510E21A0DD12380D9AD2B92D8E0828CB68B81D3FAFC000") == (
        "990290008E08E083EAA61ADABFCE9000"
    )
    assert exchange(chip, "0CB000000D9701048E084AFC933E0CDBE5F000") == (
        "871101D8059A9CF835105082CA2B1837E4AEC0990290008E08B36DB56761D706BB9000"
    )
    assert exchange(chip, "0CB000040D9701168E0811F7EFC907D1F27400") == (
        "87210142E919C115FAF69350B01813D77A9E8D91912A7F717AFD073F199070E61B79C6"
        "990290008E083382E3D983F441369000"
    )
