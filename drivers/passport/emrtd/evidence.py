"""Data read from one chip; the checks are made from it afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.observation import Check
from drivers.passport.check_results import CHIP
from drivers.passport.emrtd.errors import ChipError
from drivers.passport.emrtd.lds import com_data_groups
from drivers.passport.emrtd.pki.security_object import SecurityObject
from drivers.passport.emrtd.protocols.access import OpenedChip
from drivers.passport.emrtd.protocols.security_infos import SecurityInfos
from drivers.passport.emrtd.transport.apdu import NOT_FOUND
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.emrtd.transport.read_length import ReadLength


@dataclass(slots=True)
class ChipEvidence:
    """Files as read, and the reasons why others were not read."""

    files: dict[ElementaryFile, bytes] = field(default_factory=dict, repr=False)
    refused_status: dict[ElementaryFile, int] = field(default_factory=dict)
    """Status words of files that the chip refused."""
    parts: dict[ElementaryFile, bytearray] = field(default_factory=dict, repr=False)
    """Beginnings of files whose read was cut short."""
    malformed_files: set[ElementaryFile] = field(default_factory=set)
    abort_reason: str | None = None
    """Reason of an early end of the read; one of the reasons of `check_results`."""
    opened_chip: OpenedChip | None = None
    access: Check | None = None
    attempts: int = 1
    """Number of times that the chip was opened."""
    length: ReadLength | None = None
    """Length of its reads; None if none was made."""
    proofs: dict[str, Check] = field(default_factory=dict)
    """Active or chip authentication, as far as it depends on the chip alone."""
    _parsed: dict[bytes, SecurityObject | None] = field(default_factory=dict, init=False, repr=False)

    def forget_files(self) -> None:
        """Discard what was read: the chip may be another one now."""
        self.files.clear()
        self.parts.clear()
        self.refused_status.clear()
        self.malformed_files.clear()

    def group(self, number: int) -> bytes | None:
        """Return a data group, or None."""
        return next((content for file, content in self.files.items() if file.number == number), None)

    def security_object(self) -> SecurityObject | None:
        """Parse EF.SOD; None when it is malformed, which its own checks report."""
        content = self.files.get(ElementaryFile.SOD)
        if content is None:
            return None
        if (
            content not in self._parsed
        ):  # parsed once: every list and check needs it, and parsing took a quarter of a read's work
            try:
                self._parsed[content] = SecurityObject.parse(content)
            except ChipError:
                self._parsed[content] = None
        return self._parsed[content]

    def security_infos(self) -> SecurityInfos | None:
        """Parse DG14; None when it is absent or malformed."""
        try:
            content = self.files.get(ElementaryFile.DG14)
            return None if content is None else SecurityInfos.from_dg14(content)
        except ChipError:
            return None

    def listed_data_groups(self) -> frozenset[int]:
        """Join the data groups of both lists, so that one omitted from either is still read."""
        sod = self.security_object()
        return self.data_groups_in_com() | (frozenset(sod.hashes) if sod else frozenset())

    def data_groups_in_com(self) -> frozenset[int]:
        """Return the data groups of EF.COM, none when it is absent or malformed."""
        try:
            content = self.files.get(ElementaryFile.COM)
            return frozenset() if content is None else com_data_groups(content)
        except ChipError:
            return frozenset()

    def missing_file_check(self, identifier: str, file: ElementaryFile) -> Check:
        """Build the result of a check that needs a file which was not read."""
        if file in self.refused_status:
            if self.refused_status[file] in NOT_FOUND:
                return CHIP.failed(identifier, "file_missing")
            return CHIP.undetermined(identifier, "file_refused")
        if file in self.malformed_files:
            return CHIP.failed(identifier, "file_malformed")
        return CHIP.aborted(identifier, self.abort_reason or "chip_error")


def guarded_check(identifier: str, check: Callable[[], Check]) -> Check:
    """Make a check of untrusted bytes; every error becomes an outcome.

    An unknown algorithm leaves it undetermined. So does a malformed key: the check that covers its bytes
    fails by itself.
    """
    try:
        return check()
    except ChipError:
        return CHIP.undetermined(identifier, "algorithm_unsupported")
