"""Security infos: protocols that a chip supports (EF.CardAccess and DG14; ICAO Doc 9303-11, section 9.2)."""

from dataclasses import dataclass, field

from drivers.passport.emrtd.crypto.ciphers import Suite
from drivers.passport.emrtd.crypto.key_agreement import KeyAgreement, standardized_parameters
from drivers.passport.emrtd.crypto.public_keys import PublicKey, parse_public_key
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import ChipError, UnsupportedError

DG14_TAG = 0x6E
_BSI_DE = "0.4.0.127.0.7"
_PK, _CHIP_AUTHENTICATION, _PACE = f"{_BSI_DE}.2.2.1.", f"{_BSI_DE}.2.2.3.", f"{_BSI_DE}.2.2.4."
_ACTIVE_AUTHENTICATION = "2.23.136.1.1.5"
_SUITES = {1: Suite.TDES, 2: Suite.AES_128, 3: Suite.AES_192, 4: Suite.AES_256}
_MAPPINGS = {1: ("dh", "gm"), 2: ("ecdh", "gm"), 3: ("dh", "im"), 4: ("ecdh", "im"), 6: ("ecdh", "cam")}


@dataclass(frozen=True, slots=True)
class PaceInfo:
    """One variant of PACE."""

    protocol: str
    """Object identifier; its last arcs are mapping and cipher suite."""
    mapping: str
    """`gm` generic, `im` integrated, `cam` chip authentication mapping."""
    suite: Suite
    parameter_id: int

    @property
    def agreement(self) -> KeyAgreement:
        """Look up the domain parameters; raises UnsupportedError for reserved ones."""
        return standardized_parameters(self.parameter_id)


@dataclass(frozen=True, slots=True)
class ChipAuthenticationInfo:
    """One variant of chip authentication."""

    protocol: str
    suite: Suite
    key_id: int | None


@dataclass(frozen=True, slots=True)
class ChipAuthenticationKey:
    """A static public key of the chip."""

    key: PublicKey = field(repr=False)
    key_id: int | None


@dataclass(frozen=True, slots=True)
class SecurityInfos:
    """Security infos that this package supports; all others are ignored."""

    pace: tuple[PaceInfo, ...] = ()
    chip_authentication: tuple[ChipAuthenticationInfo, ...] = ()
    chip_authentication_keys: tuple[ChipAuthenticationKey, ...] = ()
    active_authentication_algorithm: str | None = None
    """Algorithm of the chip's ECDSA signatures: the object identifier in DG14."""

    @classmethod
    def from_card_access(cls, content: bytes) -> "SecurityInfos":
        """Parse EF.CardAccess; raises MalformedError."""
        return cls._parse(tlv.parse_whole(content, der.SET))

    @classmethod
    def from_dg14(cls, content: bytes) -> "SecurityInfos":
        """Parse DG14; raises MalformedError."""
        return cls._parse(tlv.parse_value(tlv.parse_whole(content, DG14_TAG), der.SET))

    @classmethod
    def _parse(cls, contents: bytes) -> "SecurityInfos":
        pace: list[PaceInfo] = []
        methods: list[ChipAuthenticationInfo] = []
        keys: list[ChipAuthenticationKey] = []
        algorithm = None
        for item in tlv.children(contents, most=64):
            protocol_item, required, *optional = der.elements(der.expect(item, der.SEQUENCE), 2)
            protocol = der.oid(der.expect(protocol_item, der.OID))
            stated = optional[0] if optional and optional[0].tag == der.INTEGER else None
            number = None if stated is None else der.small_integer(stated.value)
            if protocol == _ACTIVE_AUTHENTICATION and optional:
                algorithm = der.oid(der.expect(optional[0], der.OID))
            elif (way := _pace(protocol)) is not None and number is not None:
                pace.append(PaceInfo(protocol, *way, number))
            elif (suite := _chip_authentication(protocol)) is not None:
                methods.append(ChipAuthenticationInfo(protocol, suite, number))
            elif protocol in {_PK + "1", _PK + "2"}:
                try:
                    key = parse_public_key(tlv.encode(required.tag, required.value))
                except UnsupportedError:
                    continue
                keys.append(ChipAuthenticationKey(key, number))
        return cls(tuple(pace), tuple(methods), tuple(keys), algorithm)

    @property
    def offers_chip_authentication(self) -> bool:
        """True when a protocol is stated, or at least a key."""
        return bool(self.chip_authentication or self.chip_authentication_keys)

    def usable_pace(self) -> tuple[PaceInfo, ...]:
        """Return the supported variants, best first: elliptic curves before groups, then longer keys.

        A chip that offers chip authentication mapping offers another one too (9303-11, section 4.4.1).
        """
        usable = [info for info in self.pace if _is_supported(info)]
        order = {"gm": 0, "im": 1, "cam": 2}
        return tuple(
            sorted(
                usable,
                key=lambda info: (
                    info.protocol.startswith((_PACE + "1.", _PACE + "3.")),
                    order[info.mapping],
                    -info.suite.key_size,
                    -info.suite.block_size,
                ),
            )
        )


def _pace(protocol: str) -> tuple[str, Suite] | None:
    arcs = _arcs(protocol, _PACE)
    if arcs is None or arcs[0] not in _MAPPINGS or arcs[1] not in _SUITES:
        return None
    return _MAPPINGS[arcs[0]][1], _SUITES[arcs[1]]


def _chip_authentication(protocol: str) -> Suite | None:
    arcs = _arcs(protocol, _CHIP_AUTHENTICATION)
    return _SUITES.get(arcs[1]) if arcs is not None and arcs[0] in {1, 2} else None


def _arcs(protocol: str, root: str) -> tuple[int, int] | None:
    """Return the two arcs after the root, or None when the identifier is another."""
    if not protocol.startswith(root):
        return None
    rest = protocol[len(root) :].split(".")
    return (int(rest[0]), int(rest[1])) if len(rest) == 2 else None


def _is_supported(info: PaceInfo) -> bool:
    try:
        agreement = info.agreement
    except ChipError:
        return False
    ecdh = info.protocol[len(_PACE)] in "246"
    return ecdh == hasattr(agreement, "curve")
