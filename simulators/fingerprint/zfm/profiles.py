"""The modules with this protocol, and their differences. Source: protocol sheet, section 3."""

from dataclasses import dataclass
from enum import IntEnum

from simulators.fingerprint.fingers import Sensor


class Instruction(IntEnum):
    """First byte of a command."""

    GET_IMAGE = 0x01
    IMAGE_TO_CHARACTERS = 0x02
    MATCH = 0x03
    SEARCH = 0x04
    REGISTER_MODEL = 0x05
    STORE = 0x06
    LOAD = 0x07
    UPLOAD_CHARACTERS = 0x08
    DOWNLOAD_CHARACTERS = 0x09
    UPLOAD_IMAGE = 0x0A
    DOWNLOAD_IMAGE = 0x0B
    DELETE = 0x0C
    EMPTY = 0x0D
    SET_PARAMETER = 0x0E
    READ_PARAMETERS = 0x0F
    SET_PASSWORD = 0x12
    VERIFY_PASSWORD = 0x13
    RANDOM = 0x14
    SET_ADDRESS = 0x15
    READ_INFORMATION = 0x16
    PORT = 0x17
    WRITE_NOTEPAD = 0x18
    READ_NOTEPAD = 0x19
    FAST_SEARCH = 0x1B
    COUNT = 0x1D
    INDEX = 0x1F
    GET_IMAGE_CHECKED = 0x28
    CANCEL = 0x30
    AURA = 0x35
    CHECK_SENSOR = 0x36
    ALGORITHM_VERSION = 0x39
    FIRMWARE_VERSION = 0x3A
    PRODUCT = 0x3C
    SOFT_RESET = 0x3D
    HANDSHAKE = 0x40
    STANDBY = 0x33
    LIGHT_ON = 0x50
    LIGHT_OFF = 0x51
    GET_IMAGE_DARK = 0x52
    ECHO = 0x53


class Answer(IntEnum):
    """First byte of an acknowledgement."""

    OK = 0x00
    PACKET_ERROR = 0x01
    NO_FINGER = 0x02
    CAPTURE_FAILED = 0x03
    MESSY = 0x06
    FEW_FEATURES = 0x07
    NO_MATCH = 0x08
    NOT_FOUND = 0x09
    NOT_MERGED = 0x0A
    BAD_PAGE = 0x0B
    NOT_LOADED = 0x0C
    NOT_UPLOADED = 0x0D
    CANNOT_RECEIVE = 0x0E
    IMAGE_NOT_UPLOADED = 0x0F
    NOT_DELETED = 0x10
    WRONG_PASSWORD = 0x13
    NO_IMAGE = 0x15
    FLASH = 0x18
    BAD_REGISTER = 0x1A
    BAD_CONFIGURATION = 0x1B
    BAD_NOTEPAD_PAGE = 0x1C
    PASSWORD_NEEDED = 0x21
    ECHO = 0x55
    UNSUPPORTED = 0xFC


COMMON = frozenset(code for code in Instruction if code <= Instruction.INDEX)
CLONES = frozenset(
    {
        Instruction.STANDBY,
        Instruction.LIGHT_ON,
        Instruction.LIGHT_OFF,
        Instruction.GET_IMAGE_DARK,
        Instruction.ECHO,
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One module."""

    model: str
    sensor: Sensor
    capacity: int
    """Number of templates that it stores."""
    placements: int
    """Number of character files of a template; there are as many buffers."""
    bauds: frozenset[int]
    """The rates it can be set to, in multiples of 9600."""
    supports: frozenset[Instruction]
    system: int


PROFILES = {
    "zfm-20": Profile(
        "ZFM-20", Sensor(256, 288, 500), 1000, 2, frozenset(range(1, 13)), COMMON | CLONES, 0x0009
    ),
    "r30x": Profile("R307", Sensor(256, 288, 500), 1000, 2, frozenset(range(1, 13)), COMMON, 0x0009),
    "as608": Profile(
        "AS608", Sensor(256, 288, 500), 300, 2, frozenset(range(1, 13)), COMMON | CLONES, 0x0009
    ),
    "r503": Profile(
        "R503",
        Sensor(192, 192, 508),
        200,
        6,
        frozenset({1, 2, 4, 6, 12}),
        frozenset(Instruction) - CLONES,
        0x0000,
    ),
}
