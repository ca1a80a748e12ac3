"""Session with one document's chip from power-up to result: open, read, authenticate, check.

Source: ICAO Doc 9303-11, section 3 and 9303-10, section 3. The session never sleeps, retries or logs; it
sends the commands of the standard and turns every answer into checks.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

from drivers.observation import Check
from drivers.passport.check_results import ACTIVE_AUTHENTICATION, CHIP, CHIP_ACCESS, CHIP_AUTHENTICATION
from drivers.passport.chip_result import AccessMethod, ChipProgress, ChipResult, ChipStage
from drivers.passport.emrtd.crypto.key_agreement import Randomness
from drivers.passport.emrtd.errors import (
    AccessDeniedError,
    CardRemoved,
    ChipError,
    CommandRefusedError,
    MalformedError,
    NoApplicationError,
    SecureMessagingError,
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
from drivers.passport.emrtd.transport.files import DATA_GROUPS, SHORT_CHUNK, ElementaryFile
from drivers.passport.emrtd.transport.secure_messaging import Channel
from drivers.passport.mrz import Mrz

# The zone first, because it is the most urgent; keys before the long files.
_ORDER = (1, 14, 15, 2, 11, 12)
_WRONG_LENGTH = frozenset({0x6700, 0x6A80})


class ChipSession:
    """Reader of one chip, for one read. Make a new one for every document.

    `transmit` may block; `run` therefore belongs into a thread. The trust store is shared between sessions.
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
        self._random = random
        self._clock = clock
        self._commands = 0
        self._evidence = ChipEvidence()

    def run(self) -> Iterator[ChipProgress | ChipResult]:
        """Yield progress, and at the end exactly one result.

        No behaviour of a chip raises; other errors of `transmit`, such as a link that failed, are passed on.
        """
        started = self._clock()
        try:
            yield from self._open()
            yield from self._read()
            yield from self._authenticate_chip()
        except CardRemoved:
            self._evidence.abort_reason = "card_removed"
        except ChipError:
            self._evidence.abort_reason = self._evidence.abort_reason or "chip_error"
        duration_ms = max(0.0, 1000 * (self._clock() - started))
        yield InspectionResultBuilder(self._evidence, self._printed, self._trust, self._today).build(
            self._commands, duration_ms
        )

    def _counted(self, command: bytes) -> bytes:
        self._commands += 1
        return self._transmit(command)

    # Opening

    def _open(self) -> Iterator[ChipProgress]:
        try:
            opened = access.open_chip(self._channel, self._passwords(), self._random, extended=self._extended)
        except (CardRemoved, MalformedError, SecureMessagingError):
            # Malformed answers are no finding about the document: the access was not completed.
            raise
        except NoApplicationError:
            self._access_failed(CHIP.not_supported(CHIP_ACCESS, "no_application"))
        except AccessDeniedError:
            self._access_failed(CHIP.failed(CHIP_ACCESS, "access_denied"))
        except UnsupportedError:
            self._access_failed(CHIP.undetermined(CHIP_ACCESS, "no_password"))
        except ChipError:
            self._access_failed(CHIP.failed(CHIP_ACCESS, "access_failed"))
        else:
            self._evidence.opened_chip = opened
            self._evidence.access = (
                CHIP.not_supported(CHIP_ACCESS, "access_uncontrolled")
                if opened.method is AccessMethod.NONE
                else CHIP.successful(CHIP_ACCESS)
            )
            yield ChipProgress(stage=ChipStage.ACCESS, access=opened.method)

    def _access_failed(self, check: Check) -> None:
        """Record that the chip stays closed and end the session."""
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
        chunk = self._evidence.opened_chip.chunk if self._evidence.opened_chip else SHORT_CHUNK
        reading = files.read(self._channel, file, chunk)
        try:
            while True:
                progress = next(reading)
                yield ChipProgress(
                    stage=ChipStage.READING,
                    access=self._evidence.opened_chip.method if self._evidence.opened_chip else None,
                    file=file.name,
                    bytes_read=progress.bytes_read,
                    bytes_total=progress.bytes_total,
                )
        except StopIteration as end:
            self._evidence.files[file] = end.value
        except CommandRefusedError as refusal:
            self._evidence.refused_status[file] = refusal.status
        except MalformedError:
            self._evidence.malformed_files.add(file)

    # Proof that the chip is no copy

    def _authenticate_chip(self) -> Iterator[ChipProgress]:
        """Run chip authentication if DG14 offers it, else active authentication if DG15 has a key.

        Chip authentication replaces the session keys, so it comes after all reads: a chip that fails it can
        return nothing more that could be verified.
        """
        infos = self._evidence.security_infos()
        method = self._evidence.opened_chip.method if self._evidence.opened_chip else None
        if infos is not None and infos.offers_chip_authentication:
            yield ChipProgress(stage=ChipStage.AUTHENTICATION, access=method)
            self._evidence.proofs[CHIP_AUTHENTICATION] = self._chip_authentication(infos)
        elif (content := self._evidence.files.get(ElementaryFile.DG15)) is not None:
            yield ChipProgress(stage=ChipStage.AUTHENTICATION, access=method)
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
        except CardRemoved:
            raise
        except CommandRefusedError:
            return CHIP.failed(identifier, "ca_refused")
        except ChipError:
            wrong = self._channel.security is not before
            return CHIP.failed(identifier, "signature_wrong" if wrong else "ca_refused")
        return CHIP.successful(identifier)

    def _active_authentication(self, dg15: bytes, algorithm: str | None) -> Check:
        identifier = ACTIVE_AUTHENTICATION
        extended = self._evidence.opened_chip is not None and self._evidence.opened_chip.chunk > SHORT_CHUNK
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
                return CHIP.undetermined(identifier, "long_answer_unsupported")
            return CHIP.failed(identifier, "aa_refused")
        except UnsupportedError:
            return CHIP.undetermined(identifier, "algorithm_unsupported")
        if genuine:
            return CHIP.successful(identifier)
        return CHIP.failed(identifier, "signature_wrong")
