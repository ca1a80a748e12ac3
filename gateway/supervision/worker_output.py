"""Frames that the daemon accepts from a worker: checked against its driver's declaration, and bounded.

A worker runs the code of a driver on the bytes of a device, so it may have been taken over. Only the content
of an observation and the moment of its receipt come from it; the daemon writes the envelope around them.
"""

import hashlib
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from drivers.command import CommandSpec
from drivers.driver import Driver, Identity, StateCode
from drivers.links.settings import Settings
from drivers.observation import Attachment
from gateway.common.clock import TimeSource
from gateway.common.token_bucket import TokenBucket
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.contract.envelope import EnvelopeWriter, Moment, Provenance
from gateway.contract.last_values import complete_last_value, write_partial_last_value
from gateway.contract.reason_codes import CommandReason
from gateway.ipc.frames import MAX_HEAD_BYTES, FrameError, FrameType
from gateway.supervision.device_records import MAX_RECORD_BYTES
from gateway.supervision.listener import DeviceEvent, Image
from gateway.worker.event_budget import BURST_S, MAX_IMAGES, MAX_IMAGES_BYTES

MIB = 1024 * 1024
MAX_DATA_BYTES = MIB
"""Upper bound on the JSON of one observation, in bytes."""
MAX_LAST_VALUE_BYTES = 64 * 1024
"""Upper bound on the JSON of an observation that is kept as last value, in bytes: brokers retain it."""
MAX_TRANSACTION_CHARACTERS = 128
MAX_REFUSED_ATTEMPTS = 16
MAX_BODY_BYTES: Mapping[int, int] = {
    FrameType.HEARTBEAT: 0,
    FrameType.STATE: 0,
    FrameType.IDENTITY: 0,
    FrameType.BLOB: MAX_IMAGES_BYTES,
    FrameType.EVENT: MAX_DATA_BYTES,
    FrameType.LAST_VALUE: 0,
    FrameType.COMMAND_RESULT: MAX_DATA_BYTES,
    FrameType.PREVIEW: 4 * MIB,
    FrameType.RESPONSE_CHUNK: 8 * MIB,
    FrameType.REPLACE: 0,
    FrameType.RECORD: 4 * MAX_RECORD_BYTES,
    FrameType.REFUSED: 0,
}
"""Types of frame that a worker may send, and the largest body of each, in bytes."""
MAX_FRAME_BYTES: Mapping[int, int] = {kind: body + MAX_HEAD_BYTES for kind, body in MAX_BODY_BYTES.items()}
"""The same for a frame with its head; a larger one is refused before its bytes are read."""

RATES_PER_S: Mapping[FrameType, float] = {
    FrameType.HEARTBEAT: 100,
    FrameType.STATE: 100,
    FrameType.IDENTITY: 20,
    FrameType.LAST_VALUE: 100,
    FrameType.COMMAND_RESULT: 100,
    FrameType.PREVIEW: 100,
    FrameType.RESPONSE_CHUNK: 5000,
    FrameType.REPLACE: 20,
    FrameType.RECORD: 100,
    FrameType.REFUSED: 20,
}
"""Sustained frames per second by type; those of BURST_S may come at once. Events bound the images."""
BYTES_PER_S, BYTES_BURST = 32 * MIB, 256 * MIB
"""Sustained bytes per second of all frames, and the bytes that may come at once."""

WORKER_STATES = frozenset(
    {
        StateCode.ONLINE,
        StateCode.BUSY,
        StateCode.DEGRADED,
        StateCode.OFFLINE,
        StateCode.NO_DEVICE,
        StateCode.FAULT,
    }
)
"""States that a worker may report; the others are the daemon's own."""
STATE_FIELDS = frozenset({"state", "cause", "text", "action", "how", "provenance"})
COUNTERS = frozenset(
    {
        "opens",
        "good_reads",
        "traveller_reads",
        "bad_reads",
        "open_failures",
        "disconnects",
        "online_ms",
        "chip_reads",
        "chip_attempts",
        "chip_ms",
        "last_good_read_ns",
    }
)
_ROLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,64}")
_CLOCK_STATUS_TTL_S = 0.1
_PROVENANCE_RANK = {
    Provenance.UNKNOWN: 0,
    Provenance.LIVE: 0,
    Provenance.SIMULATED: 1,
    Provenance.REPLAYED: 2,
}


class WorkerViolationError(FrameError):
    """A frame that the worker may not send. The text names the rule, never a byte of the frame."""


class WorkerOutput:
    """Checks the frames of one worker process; a new process gets a new one."""

    def __init__(
        self,
        driver: type[Driver[Settings]],
        writer: EnvelopeWriter,
        session: str,
        time_source: TimeSource,
        events_per_s: float,
    ) -> None:
        """`events_per_s`: sustained rate of events; twice the rate to which a worker limits itself."""
        self._types = {
            one.event_type: (one, driver.schema_version(one.event_type)) for one in driver.observation_types
        }
        self._writer = writer
        self._session = session
        self._time = time_source
        now_s = time.monotonic()
        self._buckets = {
            kind: TokenBucket.full(rate, BURST_S * rate, now_s) for kind, rate in RATES_PER_S.items()
        }
        self._buckets[FrameType.EVENT] = TokenBucket.full(events_per_s, BURST_S * events_per_s, now_s)
        self._bytes_left = TokenBucket.full(BYTES_PER_S, BYTES_BURST, now_s)
        self._images: list[Image] = []
        self._images_bytes = 0
        self._earliest_ns = time_source.boot_ns()
        """Receive time of the latest event by the boot clock; before the first one, start of the worker."""
        self._clock_status = time_source.clock_status()
        self._clock_status_read_s = now_s
        self.observed_provenance = Provenance.LIVE
        """Origin of the events, as the daemon sees the device's node; a worker may report a less real one."""

    def count_frame(self, kind: FrameType, size: int) -> None:
        """Count a frame with a body of `size` bytes.

        Raises WorkerViolationError if it is too large, or one too many.
        """
        if size > MAX_BODY_BYTES[kind]:
            raise WorkerViolationError(f"too long a frame of the type {kind.name}")
        now_s = time.monotonic()
        bucket = self._buckets.get(kind)
        if bucket is not None and not bucket.take(now_s):
            raise WorkerViolationError(f"too many frames of the type {kind.name}")
        if not self._bytes_left.take(now_s, size):
            raise WorkerViolationError("too many bytes")

    def add_image(self, head: Mapping[str, Any], content: bytes) -> None:
        """Keep an image of the next event; raises WorkerViolationError."""
        role, media_type = head["role"], head["media_type"]
        if not (_ROLE.fullmatch(role) and _MEDIA_TYPE.fullmatch(media_type)):
            raise WorkerViolationError("an image with a malformed role or media type")
        self._images_bytes += len(content)
        if len(self._images) >= MAX_IMAGES or self._images_bytes > MAX_IMAGES_BYTES:
            raise WorkerViolationError("too many images, or too many bytes of them, for one event")
        self._images.append(Image(role, media_type, content))

    def read_event(self, head: Mapping[str, Any], data: bytes) -> tuple[DeviceEvent, bytes | None]:
        """Return the event of an observation, and its last value if it is a state.

        Raises WorkerViolationError.
        """
        images, self._images, self._images_bytes = tuple(self._images), [], 0
        declared = self._types.get(head["type"])
        if declared is None:
            raise WorkerViolationError("an event of a type that the driver does not declare")
        observation_type, version = declared
        if observation_type.is_state and len(data) > MAX_LAST_VALUE_BYTES:
            raise WorkerViolationError("a last value that is too long")
        try:
            observation = observation_type.model_validate_json(data)
        except ValidationError as error:
            raise WorkerViolationError("an event whose data do not match its type") from error
        if images or observation.attachments:
            _check_attachments(observation.attachments, images)
        transaction = head["transaction"]
        if not isinstance(transaction, str) or not 0 < len(transaction) <= MAX_TRANSACTION_CHARACTERS:
            raise WorkerViolationError("an event with a malformed transaction")
        moment = self._moment(head["boot_ns"])
        provenance = self._provenance(head["provenance"])
        partial = self._writer.write_partial_event(observation, moment, provenance, transaction, version)
        event = DeviceEvent(
            observation_type.event_type, observation_type.data_class, partial, images, moment.boot_ns
        )
        if not observation_type.is_state:
            return event, None
        last_value = write_partial_last_value(observation, moment, provenance, version)
        return event, complete_last_value(last_value, self._session)

    def read_state(self, head: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a reported state; raises WorkerViolationError."""
        if not head.keys() <= STATE_FIELDS or head["state"] not in WORKER_STATES:
            raise WorkerViolationError("a state that a worker may not report")
        fields = dict(head)
        if (reported := fields.pop("provenance", None)) is not None:
            fields["provenance"] = self._provenance(reported)
        return fields

    def _provenance(self, reported: str) -> Provenance:
        """Return the less real one of the observed and the reported provenance."""
        return max(self.observed_provenance, Provenance(reported), key=_PROVENANCE_RANK.__getitem__)

    def _moment(self, received_ns: object) -> Moment:
        """Return the moment at which the worker received an observation; raises WorkerViolationError."""
        now_ns = self._time.boot_ns()
        if type(received_ns) is not int or not self._earliest_ns <= received_ns <= now_ns:
            raise WorkerViolationError("an event with an impossible time")
        self._earliest_ns = received_ns
        now_s = time.monotonic()
        if now_s - self._clock_status_read_s > _CLOCK_STATUS_TTL_S:
            # Reading it costs a seventh of handling an event.
            self._clock_status, self._clock_status_read_s = self._time.clock_status(), now_s
        unix_ns = self._time.unix_ns() - (now_ns - received_ns)
        return Moment(unix_ns, self._time.boot_id, received_ns, self._clock_status)


def read_identity(head: Mapping[str, Any]) -> Identity:
    """Return the identity of the device; raises WorkerViolationError."""
    try:
        return Identity.model_validate(head)
    except ValidationError as error:
        raise WorkerViolationError("a malformed identity") from error


def read_counters(head: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters of a heartbeat; raises WorkerViolationError."""
    if not head.keys() <= COUNTERS or "last_good_read_ns" not in head:
        raise WorkerViolationError("a heartbeat with other counters")
    counters = {name: value for name, value in head.items() if type(value) is int and 0 <= value < 2**63}
    if len(counters) != len(head):
        raise WorkerViolationError("a heartbeat with a malformed counter")
    return counters


def read_record_number(head: Mapping[str, Any]) -> int:
    """Return the number of a record; raises WorkerViolationError."""
    number = head.get("number")
    if type(number) is not int or not 0 < number < 2**63:
        raise WorkerViolationError("a record with a malformed number")
    return number


def read_refused_ages(head: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the ages of refused attempts, in seconds; raises WorkerViolationError."""
    ages_s = head.get("ages_s")
    if (
        not isinstance(ages_s, list)
        or len(ages_s) > MAX_REFUSED_ATTEMPTS
        or not all(type(age_s) in (int, float) and 0 <= age_s < math.inf for age_s in ages_s)
    ):
        raise WorkerViolationError("refused attempts with malformed ages")
    return tuple(map(float, ages_s))


def read_outcome(head: Mapping[str, Any], result: bytes, command: CommandSpec | None) -> CommandOutcome:
    """Return the outcome of a command, None: of a verb that does not exist; raises WorkerViolationError."""
    if result and command is None:
        raise WorkerViolationError("a result of a command that does not exist")
    done = b""
    try:
        if result and command is not None:
            done = command.result_type.model_validate_json(result).model_dump_json().encode()
    except ValidationError as error:
        raise WorkerViolationError("a result that does not match its command") from error
    reason = head["reason"] and CommandReason(head["reason"])
    text, how = head["text"], head["how"]
    if not (isinstance(text, str) and isinstance(how, str)):
        raise WorkerViolationError("a result with a malformed text")
    return CommandOutcome(CommandState(head["state"]), reason, text, how, done)


def _check_attachments(declared: tuple[Attachment, ...], images: tuple[Image, ...]) -> None:
    """Compare the declared attachments with the images that came; raises WorkerViolationError."""
    if [(one.role, one.media_type, one.size_bytes) for one in declared] != [
        (one.role, one.media_type, len(one.content)) for one in images
    ]:
        raise WorkerViolationError("an event that declares other images than were sent")
    # The signature of the event covers its images by these hashes only.
    if any(
        one.sha256 != hashlib.sha256(image.content).hexdigest()
        for one, image in zip(declared, images, strict=True)
    ):
        raise WorkerViolationError("an image whose hash is not the one in its event")
