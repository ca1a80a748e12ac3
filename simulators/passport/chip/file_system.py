"""Files and data groups of the eMRTD application, by the names and numbers of Doc 9303-10."""

from dataclasses import dataclass
from enum import Enum

AID = bytes.fromhex("A0000002471001")
"""The eMRTD application (Doc 9303-10, 3.6.1)."""

MASTER_FILE = 0x3F00
DIR, ATR_INFO, CARD_ACCESS, CARD_SECURITY = 0x2F00, 0x2F01, 0x011C, 0x011D
COM, SOD = 0x011E, 0x011D
_SHORT_ID = {DIR: 0x1E, ATR_INFO: 0x01}

TAGS = {
    1: 0x61, 2: 0x75, 3: 0x63, 4: 0x76, 5: 0x65, 6: 0x66, 7: 0x67, 8: 0x68,
    9: 0x69, 10: 0x6A, 11: 0x6B, 12: 0x6C, 13: 0x6D, 14: 0x6E, 15: 0x6F, 16: 0x70,
}  # fmt: skip
"""The tag of each data group (Doc 9303-10, 4.6)."""


def data_group_file(number: int) -> int:
    """Return the file identifier of a data group."""
    return 0x0100 + number


class Readable(Enum):
    """Access condition of a file."""

    ALWAYS = "always"
    AFTER_ACCESS = "after BAC or PACE"
    AFTER_PACE = "after PACE"
    NEVER = "after Terminal Authentication, which this chip does not have"


@dataclass(frozen=True, slots=True)
class ElementaryFile:
    """A transparent file."""

    file_id: int
    content: bytes
    readable: Readable = Readable.AFTER_ACCESS

    @property
    def short_id(self) -> int:
        """Short identifier: the low five bits, except for two files of the master file."""
        return _SHORT_ID.get(self.file_id, self.file_id & 0x1F)
