"""Access to a chip: PACE if the chip offers it, else Basic Access Control (ICAO Doc 9303-11, section 4.2)."""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.passport.chip_result import AccessMethod
from drivers.passport.emrtd.crypto.key_agreement import Randomness
from drivers.passport.emrtd.errors import (
    AccessDeniedError,
    CardRemoved,
    ChipError,
    CommandRefusedError,
    MalformedError,
    NoApplicationError,
    ReaderFailedError,
    SecureMessagingError,
    UnsupportedError,
)
from drivers.passport.emrtd.protocols import bac, pace
from drivers.passport.emrtd.protocols.passwords import Password, PasswordKind
from drivers.passport.emrtd.protocols.security_infos import PaceInfo, SecurityInfos
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.apdu import NOT_FOUND
from drivers.passport.emrtd.transport.files import ElementaryFile
from drivers.passport.emrtd.transport.read_length import SHORT_CHUNK
from drivers.passport.emrtd.transport.secure_messaging import Channel

# Status words with which a chip without any access control answers GET CHALLENGE.
_NO_SUCH_COMMAND = frozenset({0x6D00, 0x6E00, 0x6A81, 0x6A86})


@dataclass(frozen=True, slots=True)
class OpenedChip:
    """Protocol by which a chip was opened, and limits of its reads."""

    method: AccessMethod
    pace: PaceInfo | None
    chunk: int
    """Most bytes of one read that the chip states to answer."""

    @property
    def is_bound_to_zone(self) -> bool:
        """True if only the document with that printed zone can have been opened."""
        return self.method in {AccessMethod.PACE_MRZ, AccessMethod.BAC}


def open_chip(
    channel: Channel, passwords: tuple[Password, ...], random: Randomness, *, extended: bool
) -> OpenedChip:
    """Open a chip that has just been powered and select its application.

    `passwords` are tried in their order; `extended` is true when the reader passes extended lengths on.
    Raises AccessDeniedError when the chip accepts none of the passwords, NoApplicationError, UnsupportedError
    when there is no password for the protocols that the chip offers, and the channel's errors.
    """
    infos = _card_access(channel)
    chunk = _chunk(channel) if extended else SHORT_CHUNK
    if infos is not None and (info := _pace(channel, infos, passwords, random)) is not None:
        way, password = info
        _select(channel)
        method = AccessMethod.PACE_MRZ if password.kind is PasswordKind.MRZ else AccessMethod.PACE_CAN
        return OpenedChip(method, way, chunk)
    _select(channel)
    zone = next((p for p in passwords if p.kind is PasswordKind.MRZ), None)
    if zone is None:
        raise UnsupportedError("only the printed zone opens this chip")
    try:
        channel.security = bac.perform(channel, zone, random)
    except CommandRefusedError as refusal:
        if refusal.status not in _NO_SUCH_COMMAND:
            raise
        return OpenedChip(AccessMethod.NONE, None, chunk)
    return OpenedChip(AccessMethod.BAC, None, chunk)


def _card_access(channel: Channel) -> SecurityInfos | None:
    """Read EF.CardAccess, which chips without PACE do not have or refuse."""
    try:
        content = _run_to_end(files.read(channel, ElementaryFile.CARD_ACCESS))
        return SecurityInfos.from_card_access(content)
    except (CommandRefusedError, MalformedError):
        return None


def _chunk(channel: Channel) -> int:
    try:
        return files.longest_chunk(files.read_objects(channel, ElementaryFile.ATR_INFO))
    except (CommandRefusedError, MalformedError):
        return SHORT_CHUNK


def _pace(
    channel: Channel, infos: SecurityInfos, passwords: tuple[Password, ...], random: Randomness
) -> tuple[PaceInfo, Password] | None:
    """Run PACE in the best variant that works; return it with the password, or None when none works.

    When a chip refuses a variant before any password is used, the next one is tried.
    """
    denied: AccessDeniedError | None = None
    for info, password in _variants(infos, passwords):
        ambiguous = sum(other.protocol == info.protocol for other in infos.pace) > 1
        try:
            channel.security = pace.perform(channel, info, password, random, ambiguous=ambiguous)
        except AccessDeniedError as denial:
            denied = denial
        except (CardRemoved, ReaderFailedError, SecureMessagingError):
            raise
        except ChipError:
            continue
        else:
            return info, password
    if denied is not None:
        raise denied
    return None


def _variants(infos: SecurityInfos, passwords: tuple[Password, ...]) -> Iterator[tuple[PaceInfo, Password]]:
    for password in passwords:
        for info in infos.usable_pace()[:4]:
            yield info, password


def _select(channel: Channel) -> None:
    try:
        bac.select_application(channel)
    except CommandRefusedError as refusal:
        if refusal.status in NOT_FOUND:
            raise NoApplicationError("the chip has no eMRTD application") from None
        raise


def _run_to_end(reading: "Iterator[object]") -> bytes:
    """Run a read to its end and discard its progress."""
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return bytes(end.value)
