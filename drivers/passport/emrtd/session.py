"""Session with one document's chip from power-up to result: open, read, authenticate, check.

Source: ICAO Doc 9303-11, section 3 and 9303-10, section 3. The session sends the commands of the standard and
turns every answer into checks. A chip that loses the field while its document lies there is opened again, and
the read goes on after the last byte that arrived. The session never sleeps or logs.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

from drivers.observation import Check
from drivers.passport.check_results import ACTIVE_AUTHENTICATION, CHIP, CHIP_ACCESS, CHIP_AUTHENTICATION
from drivers.passport.chip_result import AccessMethod, ChipProgress, ChipResult, ChipStage, ReadLimit
from drivers.passport.emrtd.crypto.key_agreement import Randomness
from drivers.passport.emrtd.errors import (
    AccessDeniedError,
    CardRemoved,
    ChipError,
    CommandRefusedError,
    MalformedError,
    NoApplicationError,
    NotTransacted,
    ReaderFailedError,
    RetriesExhaustedError,
    SecureMessagingError,
    SessionLostError,
    UnsupportedError,
)
from drivers.passport.emrtd.evidence import ChipEvidence
from drivers.passport.emrtd.inspection_result import InspectionResultBuilder
from drivers.passport.emrtd.passive_authentication import MANDATORY_DATA_GROUPS
from drivers.passport.emrtd.pki.trust_store import TrustStore
from drivers.passport.emrtd.protocols import access, active_authentication, chip_authentication
from drivers.passport.emrtd.protocols.passwords import Password
from drivers.passport.emrtd.protocols.security_infos import SecurityInfos
from drivers.passport.emrtd.transport import files
from drivers.passport.emrtd.transport.apdu import Transmit
from drivers.passport.emrtd.transport.files import DATA_GROUPS, ElementaryFile
from drivers.passport.emrtd.transport.read_length import ReadLength
from drivers.passport.emrtd.transport.secure_messaging import Channel
from drivers.passport.mrz import Mrz

# The zone first, because it is the most urgent; keys before the long files.
_ORDER = (1, 14, 15, 2, 11, 12)
_WRONG_LENGTH = frozenset({0x6700, 0x6A80})
_REASONS = {
    CardRemoved: "card_removed",
    NotTransacted: "card_removed",
    ReaderFailedError: "reader_failed",
}
"""Reasons of an early end, by error."""
_DENIALS = 2
"""Refusals of the key that count. Where two documents lie on the reader, the other chip may answer first."""
_REFUSED_FORMS = 2
"""Times that a command in extended form is not transacted before the reader is the cause, not the chip."""

PowerUp = Callable[[], None]
"""Function that powers the chip up again.

Raises CardRemoved when the document is gone, RetriesExhaustedError when there is no time left, and
ReaderFailedError.
"""


class ChipSession:
    """Reader of one chip, for one read. Make a new one for every document.

    `transmit` may block; `run` therefore belongs into a thread. `power_up` is called after a loss; without it
    the first loss ends the read. The trust store is shared between sessions.
    """

    def __init__(
        self,
        transmit: Transmit,
        *,
        today: date,
        printed: Mrz | None = None,
        can: str | None = None,
        trust: TrustStore | None = None,
        extended_length: bool = True,
        power_up: PowerUp | None = None,
        random: Randomness = secrets.token_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transmit = transmit
        self._channel = Channel(self._counted)
        self._today = today
        self._printed = printed
        self._can = can
        self._trust = trust
        self._extended = extended_length
        self._power_up = power_up
        self._random = random
        self._clock = clock
        self._commands = 0
        self._denials = 0
        self._refused_forms = 0
        self._proving: str | None = None
        """Identifier of the proof that is being made."""
        self._evidence = ChipEvidence()

    def run(self) -> Iterator[ChipProgress | ChipResult]:
        """Yield progress, and at the end exactly one result.

        No behaviour of a chip or its reader raises; other errors of `transmit` are passed on.
        """
        started = self._clock()
        while True:
            try:
                yield from self._open()
                yield from self._read()
                yield from self._authenticate_chip()
            except ChipError as error:
                if self._goes_on_after(error):
                    continue
            break
        duration_ms = max(0.0, 1000 * (self._clock() - started))
        yield InspectionResultBuilder(self._evidence, self._printed, self._trust, self._today).build(
            self._commands, duration_ms
        )

    def _counted(self, command: bytes) -> bytes:
        self._commands += 1
        return self._transmit(command)

    # Going on after an error

    def _goes_on_after(self, error: ChipError) -> bool:
        """Power the chip up again if that may help; else record the reason of the end and return false."""
        evidence = self._evidence
        reason = _REASONS.get(type(error), "chip_error")
        if self._may_help(error) and self._power_up is not None:
            try:
                self._power_up()
            except RetriesExhaustedError:
                reason = "field_lost" if isinstance(error, CardRemoved) else reason
            except ReaderFailedError:
                reason = "reader_failed"
            except CardRemoved:
                reason = "card_removed"
            else:
                self._channel = Channel(self._counted)
                evidence.attempts += 1
                return True
        evidence.abort_reason = evidence.abort_reason or reason
        return False

    def _may_help(self, error: ChipError) -> bool:
        """Return true when another session may go further than the one that ended with an error."""
        length = self._evidence.length
        match error:
            case NotTransacted() if self._channel.is_extended and (
                length is None or length.in_flight is None
            ):
                self._refused_forms += 1
                if self._extended and self._refused_forms < _REFUSED_FORMS:
                    return True
                self._reader_is_too_short()
                return False
            case CardRemoved():
                if length is not None:
                    length.on_lost()
                return True
            case SecureMessagingError():
                return length is not None and length.on_session_ended()
            case SessionLostError() | AccessDeniedError():
                return True
            case _:
                return False

    def _reader_is_too_short(self) -> None:
        """Record that the reader does not pass on a command that the document needs."""
        evidence = self._evidence
        evidence.abort_reason = "reader_short_only"
        if evidence.access is None:
            evidence.access = CHIP.undetermined(CHIP_ACCESS, "reader_short_only")
        if self._proving is not None:
            evidence.proofs[self._proving] = CHIP.undetermined(self._proving, "reader_short_only")

    # Opening

    def _open(self) -> Iterator[ChipProgress]:
        try:
            opened = access.open_chip(self._channel, self._passwords(), self._random, extended=self._extended)
        except (CardRemoved, MalformedError, ReaderFailedError, SecureMessagingError):
            # Malformed answers are no finding about the document: the access was not completed.
            raise
        except NoApplicationError:
            self._access_failed(CHIP.not_supported(CHIP_ACCESS, "no_application"))
        except AccessDeniedError:
            self._denials += 1
            if self._power_up is not None and self._denials < _DENIALS:
                raise
            self._access_failed(CHIP.failed(CHIP_ACCESS, "access_denied"))
        except UnsupportedError:
            self._access_failed(CHIP.undetermined(CHIP_ACCESS, "no_password"))
        except ChipError:
            self._access_failed(CHIP.failed(CHIP_ACCESS, "access_failed"))
        else:
            self._opened(opened)
            yield ChipProgress(stage=ChipStage.ACCESS, access=opened.method, attempt=self._evidence.attempts)

    def _opened(self, opened: access.OpenedChip) -> None:
        evidence = self._evidence
        self._denials = 0
        if evidence.opened_chip is not None and not opened.is_bound_to_zone:
            evidence.forget_files()
        evidence.opened_chip = opened
        evidence.access = (
            CHIP.not_supported(CHIP_ACCESS, "access_uncontrolled")
            if opened.method is AccessMethod.NONE
            else CHIP.successful(CHIP_ACCESS)
        )
        if evidence.length is None:
            limit = ReadLimit.CHIP if self._extended else ReadLimit.READER
            evidence.length = ReadLength(opened.chunk, limit)

    def _access_failed(self, check: Check) -> None:
        """Record that the chip stays closed and end the session.

        Where the document's chip was open before, the one that stays closed belongs to another document.
        """
        if self._evidence.opened_chip is not None:
            self._evidence.abort_reason = "document_changed"
            raise ChipError("another chip is there")
        self._evidence.access = check
        self._evidence.abort_reason = "no_access"
        raise ChipError("the chip was not opened")

    def _passwords(self) -> tuple[Password, ...]:
        found = []
        if self._printed is not None:
            # A zone that cannot open a chip, such as a misread one, leaves the access number.
            with suppress(UnsupportedError):
                found.append(Password.from_mrz(self._printed))
        if self._can is not None:
            found.append(Password.from_can(self._can))
        if not found:
            raise UnsupportedError("there is no password to open the chip with")
        return tuple(found)

    # Reading

    def _read(self) -> Iterator[ChipProgress]:
        for file in (ElementaryFile.COM, ElementaryFile.SOD):
            yield from self._file(file)
        listed = self._evidence.listed_data_groups() | MANDATORY_DATA_GROUPS
        for number in _ORDER:
            if number in listed:
                yield from self._file(DATA_GROUPS[number])

    def _file(self, file: ElementaryFile) -> Iterator[ChipProgress]:
        """Read a file, or record why it cannot be read; errors that break the channel are raised on."""
        evidence = self._evidence
        if file in evidence.files or file in evidence.refused_status or file in evidence.malformed_files:
            return  # done in an earlier attempt
        part = evidence.parts.setdefault(file, bytearray())
        reading = files.read(self._channel, file, evidence.length, part)
        try:
            while True:
                progress = next(reading)
                yield ChipProgress(
                    stage=ChipStage.READING,
                    access=evidence.opened_chip.method if evidence.opened_chip else None,
                    file=file.name,
                    bytes_read=progress.bytes_read,
                    bytes_total=progress.bytes_total,
                    attempt=evidence.attempts,
                )
        except StopIteration as end:
            evidence.files[file] = end.value
        except CommandRefusedError as refusal:
            evidence.refused_status[file] = refusal.status
        except MalformedError:
            evidence.malformed_files.add(file)
        del evidence.parts[file]

    # Proof that the chip is no copy

    def _authenticate_chip(self) -> Iterator[ChipProgress]:
        """Run chip authentication if DG14 offers it, else active authentication if DG15 has a key.

        Chip authentication replaces the session keys, so it comes after all reads: a chip that fails it can
        return nothing more that could be verified.
        """
        infos = self._evidence.security_infos()
        method = self._evidence.opened_chip.method if self._evidence.opened_chip else None
        step = ChipProgress(stage=ChipStage.AUTHENTICATION, access=method, attempt=self._evidence.attempts)
        if infos is not None and infos.offers_chip_authentication:
            self._proving = CHIP_AUTHENTICATION
            yield step
            self._evidence.proofs[CHIP_AUTHENTICATION] = self._chip_authentication(infos)
        elif (content := self._evidence.files.get(ElementaryFile.DG15)) is not None:
            self._proving = ACTIVE_AUTHENTICATION
            yield step
            algorithm = infos.active_authentication_algorithm if infos else None
            self._evidence.proofs[ACTIVE_AUTHENTICATION] = self._active_authentication(content, algorithm)

    def _chip_authentication(self, infos: SecurityInfos) -> Check:
        identifier = CHIP_AUTHENTICATION
        try:
            info, key = chip_authentication.choose(infos)
        except UnsupportedError:
            return CHIP.undetermined(identifier, "algorithm_unsupported")
        before = self._channel.security
        try:
            chip_authentication.perform(self._channel, info, key, self._random)
            # The first answer under the new keys is the proof.
            files.select(self._channel, ElementaryFile.SOD)
        except (CardRemoved, ReaderFailedError):
            raise
        except CommandRefusedError:
            return CHIP.failed(identifier, "ca_refused")
        except ChipError:
            wrong = self._channel.security is not before
            return CHIP.failed(identifier, "signature_wrong" if wrong else "ca_refused")
        return CHIP.successful(identifier)

    def _active_authentication(self, dg15: bytes, algorithm: str | None) -> Check:
        identifier = ACTIVE_AUTHENTICATION
        length = self._evidence.length
        extended = length is not None and length.is_extended
        try:
            key = active_authentication.public_key(dg15)
        except ChipError:
            return CHIP.undetermined(identifier, "algorithm_unsupported")
        try:
            challenge, signature = active_authentication.internal_authenticate(
                self._channel, key, self._random, extended=extended
            )
            genuine = active_authentication.verify(key, challenge, signature, algorithm)
        except CommandRefusedError as refusal:
            too_long = refusal.status in _WRONG_LENGTH or refusal.status >> 8 in {0x61, 0x6C}
            if too_long and not extended:
                by_reader = length is not None and length.limit is ReadLimit.READER
                return CHIP.undetermined(
                    identifier, "reader_short_only" if by_reader else "long_answer_unsupported"
                )
            return CHIP.failed(identifier, "aa_refused")
        except UnsupportedError:
            return CHIP.undetermined(identifier, "algorithm_unsupported")
        if genuine:
            return CHIP.successful(identifier)
        return CHIP.failed(identifier, "signature_wrong")
