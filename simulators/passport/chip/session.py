"""State of a chip between two resets: files, access and protocols (Doc 9303-10, 3; 9303-11, 4 and 6)."""

from collections.abc import Callable
from enum import Enum, auto

from simulators.passport.chip.apdu import (
    CHAINING,
    SECURE_MESSAGING,
    Command,
    Randomness,
    RefusedError,
    Reply,
    Status,
)
from simulators.passport.chip.encoding.tlv import parse_single, tlv
from simulators.passport.chip.faults import LimitedReads
from simulators.passport.chip.file_system import AID, MASTER_FILE, ElementaryFile, Readable
from simulators.passport.chip.personalisation import Personalisation
from simulators.passport.chip.profile import SHORT_REPLY, Access
from simulators.passport.chip.protocols.active_authentication import sign_challenge
from simulators.passport.chip.protocols.bac import CHALLENGE_SIZE, BasicAccess
from simulators.passport.chip.protocols.chip_authentication import ChipAuthentication
from simulators.passport.chip.protocols.pace import Pace
from simulators.passport.chip.protocols.secure_messaging import SecureMessaging

_OFFSET, _DISCRETIONARY = 0x54, 0x53
"""The data objects of READ BINARY with odd INS (ISO/IEC 7816-4, 11.3.3)."""

_NO_REPLY_DATA = 0x0C


class SessionEndedError(RefusedError):
    """The status word goes out without protection, and ends the session."""


class AccessLevel(Enum):
    """The access that a terminal has gained."""

    NONE = auto()
    BY_BAC = auto()
    BY_PACE = auto()


class Session:
    """The chip since its last reset. `process` answers any bytes at all and raises nothing."""

    def __init__(self, personalisation: Personalisation, random: Randomness) -> None:
        self._written = personalisation
        self._random = random
        self._in_application = False
        self._file: ElementaryFile | None = None
        self._gained = AccessLevel.NONE
        self._secure: SecureMessaging | None = None
        self._next: SecureMessaging | None = None
        """The session that begins after the reply to this command."""
        self._bac = BasicAccess(personalisation.mrz_information, random)
        self._pace: Pace | None = None
        self._chip_authentication = ChipAuthentication(personalisation.chip_authentication)
        self.limited_reads: LimitedReads | None = None
        self.has_lost_field = False
        """True from the read on that takes the chip's power (`LimitedReads`)."""
        self._commands: dict[int, Callable[[Command, int], bytes | Reply]] = {
            0x22: self._manage_security_environment,
            0x82: self._external_authenticate,
            0x84: self._get_challenge,
            0x86: self._general_authenticate,
            0x88: self._internal_authenticate,
            0xA4: self._select,
            0xB0: self._read_binary,
            0xB1: self._read_binary_odd,
        }

    def end(self) -> None:
        """End secure messaging and its access."""
        self._secure = self._next = None
        self._gained = AccessLevel.NONE
        self._file = None
        self._chip_authentication = ChipAuthentication(self._written.chip_authentication)

    def process(self, apdu: bytes, *, instead: int | None = None) -> bytes:
        """Return the reply to a command; with `instead`, that status word without executing it."""
        try:
            command = Command.parse(apdu)
            if command.cla & ~(SECURE_MESSAGING | CHAINING) or command.cla & SECURE_MESSAGING not in (
                0,
                0x0C,
            ):
                raise RefusedError(Status.CLA_NOT_SUPPORTED)
            if command.extended and not self._written.profile.extended_length:
                raise RefusedError(Status.WRONG_LENGTH)
            secure = self._secure
            if not command.secured:
                # An unprotected command ends the session (Doc 9303-11, 9.8.3).
                if secure is not None:
                    self.end()
                reply = self._perform(command, self._limit(command), instead)
            elif secure is None:
                raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
            else:
                room = secure.max_data_bytes(self._limit(command))
                reply = secure.wrap(
                    self._perform(secure.unwrap(command), room, instead), odd=bool(command.ins & 1)
                )
        except RefusedError as refused:
            self.end()
            return bytes(Reply(status=refused.status))
        self._start_next()
        return bytes(reply)

    def _start_next(self) -> None:
        following, self._next = self._next, None
        if following is not None:
            self._secure = following

    def _limit(self, command: Command) -> int:
        """Return the maximum bytes of a reply. Without an expected length, those of a short reply."""
        return min(command.ne or SHORT_REPLY, self._written.maximum_reply)

    def _perform(self, command: Command, room: int, instead: int | None) -> Reply:
        if instead is not None:
            return Reply(status=instead)
        try:
            perform = self._commands.get(command.ins)
            if perform is None:
                raise RefusedError(Status.INS_NOT_SUPPORTED)
            if command.chained and command.ins != 0x86:
                raise RefusedError(Status.CHAINING_NOT_SUPPORTED)
            done = perform(command, room)
        except SessionEndedError:
            raise
        except RefusedError as refused:
            self._pace = None
            return Reply(status=refused.status)
        reply = done if isinstance(done, Reply) else Reply(done)
        if len(reply.data) > max(0, room):
            return Reply(status=Status.WRONG_LENGTH)
        return reply

    # Files

    def _select(self, command: Command, _: int) -> bytes:
        if command.p2 != _NO_REPLY_DATA:
            raise RefusedError(Status.INCORRECT_PARAMETERS)
        match command.p1:
            case 0x00 if command.data in (b"", MASTER_FILE.to_bytes(2, "big")):
                self._in_application, self._file = False, None
            case 0x04:
                if command.data != AID:
                    raise RefusedError(Status.FILE_NOT_FOUND)
                if self._written.profile.access is Access.PACE and self._gained is AccessLevel.NONE:
                    raise RefusedError(Status.SECURITY_STATUS_NOT_SATISFIED)
                self._in_application, self._file = True, None
            case 0x02 if len(command.data) == 2:
                file_id = int.from_bytes(command.data, "big")
                self._file = self._found(lambda file: file.file_id == file_id)
            case 0x00 | 0x02:
                raise RefusedError(Status.FILE_NOT_FOUND)
            case _:
                raise RefusedError(Status.INCORRECT_PARAMETERS)
        return b""

    def _found(self, is_match: Callable[[ElementaryFile], bool]) -> ElementaryFile:
        files = self._written.application if self._in_application else self._written.master_file
        file = next(filter(is_match, files), None)
        if file is None:
            raise RefusedError(Status.FILE_NOT_FOUND)
        if not self._may_read(file):
            raise RefusedError(Status.SECURITY_STATUS_NOT_SATISFIED)
        return file

    def _may_read(self, file: ElementaryFile) -> bool:
        match file.readable:
            case Readable.ALWAYS:
                return True
            case Readable.AFTER_ACCESS:
                return self._may_use_application
            case Readable.AFTER_PACE:
                return self._gained is AccessLevel.BY_PACE
            case Readable.NEVER:
                return False

    @property
    def _may_use_application(self) -> bool:
        return self._gained is not AccessLevel.NONE or self._written.profile.access is Access.OPEN

    def _current(self) -> ElementaryFile:
        if self._file is None:
            raise RefusedError(Status.NO_CURRENT_EF)
        if not self._may_read(self._file):
            raise RefusedError(Status.SECURITY_STATUS_NOT_SATISFIED)
        return self._file

    def _read_binary(self, command: Command, room: int) -> Reply:
        if command.data or command.ne is None:
            raise RefusedError(Status.WRONG_LENGTH)
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            if command.p1 & 0x60:
                raise RefusedError(Status.INCORRECT_PARAMETERS)
            short_id, offset = command.p1 & 0x1F, command.p2
            self._file = self._found(lambda file: file.short_id == short_id)
        content = self._from(offset)
        self._limit_reads(min(command.ne, room, len(content)))
        return Reply(content[: max(0, min(command.ne, room))], self._status(command.ne, len(content)))

    def _read_binary_odd(self, command: Command, room: int) -> Reply:
        if command.ne is None:
            raise RefusedError(Status.WRONG_LENGTH)
        where = command.p1 << 8 | command.p2
        try:
            offset = int.from_bytes(parse_single(command.data, _OFFSET), "big")
        except ValueError:
            raise RefusedError(Status.INCORRECT_DATA) from None
        if where:
            self._file = self._found(lambda file: where in (file.file_id, file.short_id))
        content = self._from(offset)
        self._limit_reads(min(command.ne, room, len(content)))
        # The expected length covers the data object, whose own length field grows with it.
        size = min(command.ne, room)
        inside = max(0, size - (2 if size < 0x82 else 3 if size < 0x103 else 4))
        return Reply(tlv(_DISCRETIONARY, content[:inside]), self._status(command.ne, len(content)))

    def _limit_reads(self, size: int) -> None:
        """Fail at a read of that many bytes if it is too long for this chip."""
        limit = self.limited_reads
        if limit is None or size <= limit.most:
            return
        if limit.effect == "session-end":
            raise SessionEndedError(Status.SM_OBJECTS_INCORRECT)
        self.has_lost_field = limit.effect == "field-loss"
        raise RefusedError(Status.WRONG_LENGTH)

    def _from(self, offset: int) -> bytes:
        content = self._current().content
        if offset >= len(content):
            raise RefusedError(Status.OFFSET_OUTSIDE_FILE)
        return content[offset:]

    def _status(self, expected: int, left: int) -> Status:
        everything = expected in (1 << 8, 1 << 16)
        short = not everything and expected > left and self._written.profile.end_of_file_warning
        return Status.END_OF_FILE if short else Status.SUCCESS

    # Access

    def _get_challenge(self, command: Command, _: int) -> bytes:
        self._need_bac(command)
        if command.ne != CHALLENGE_SIZE or command.data:
            raise RefusedError(Status.WRONG_LENGTH)
        return self._bac.challenge()

    def _external_authenticate(self, command: Command, _: int) -> bytes:
        self._need_bac(command)
        reply, self._next = self._bac.authenticate(command.data)
        self._gained = AccessLevel.BY_BAC
        return reply

    def _need_bac(self, command: Command) -> None:
        """Require BAC: in the application, unprotected, if the document has it (Doc 9303-11, 4.2)."""
        _need_no_parameters(command)
        if self._written.profile.access not in (Access.BAC, Access.BOTH):
            raise RefusedError(Status.INS_NOT_SUPPORTED)
        if self._secure is not None or not self._in_application:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)

    def _manage_security_environment(self, command: Command, _: int) -> bytes:
        match command.p1 << 8 | command.p2:
            case 0xC1A4:
                if self._written.profile.access not in (Access.PACE, Access.BOTH):
                    raise RefusedError(Status.INCORRECT_PARAMETERS)
                if self._secure is not None or self._in_application:
                    raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
                written = self._written
                self._pace = Pace.select(
                    command.data, written.profile.pace, written.passwords, self._random, written.mapping_key
                )
            case 0x41A4:
                self._need_access()
                self._chip_authentication.set_authentication_template(command.data)
            case 0x41A6:
                self._need_access()
                self._next = self._chip_authentication.set_key_agreement_template(command.data)
            case _:
                raise RefusedError(Status.INCORRECT_PARAMETERS)
        return b""

    def _general_authenticate(self, command: Command, _: int) -> bytes:
        _need_no_parameters(command)
        if self._pace is not None and self._secure is None:
            reply = self._pace.general_authenticate(command.data, chained=command.chained)
            if self._pace.session is not None:
                self._next, self._pace = self._pace.session, None
                self._gained = AccessLevel.BY_PACE
            return reply
        self._need_access()
        if command.chained:
            raise RefusedError(Status.CHAINING_NOT_SUPPORTED)
        reply, self._next = self._chip_authentication.general_authenticate(command.data)
        return reply

    def _internal_authenticate(self, command: Command, _: int) -> bytes:
        _need_no_parameters(command)
        if not self._may_use_application:
            raise RefusedError(Status.SECURITY_STATUS_NOT_SATISFIED)
        if not self._in_application:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)
        return sign_challenge(self._written.active_authentication, command.data, self._random)

    def _need_access(self) -> None:
        """Require secure messaging, as Chip Authentication does (Doc 9303-11, 6.2)."""
        if self._secure is None or not self._written.chip_authentication:
            raise RefusedError(Status.CONDITIONS_NOT_SATISFIED)


def _need_no_parameters(command: Command) -> None:
    if command.p1 or command.p2:
        raise RefusedError(Status.INCORRECT_PARAMETERS)
