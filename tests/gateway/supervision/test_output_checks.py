"""Checks of a worker's frames, without a process around them: limits, envelope, and each malformed head."""

import json
import math
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from support.gateway.deliveries import FakeTime

from drivers.command import CommandArguments, CommandOutput, Invocation, command
from drivers.driver import Driver, Family, StateCode
from drivers.links.settings import Settings
from drivers.observation import Attachment, DataClass, Observation
from gateway.common.clock import SystemTime
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.contract.envelope import ClockStatus, EnvelopeWriter, Provenance
from gateway.contract.reason_codes import CommandReason
from gateway.ipc.frames import FrameType
from gateway.supervision import worker_output
from gateway.supervision.listener import Image
from gateway.supervision.worker_output import (
    BYTES_BURST,
    BYTES_PER_S,
    COUNTERS,
    MAX_BODY_BYTES,
    MAX_LAST_VALUE_BYTES,
    MIB,
    RATES_PER_S,
    WorkerOutput,
    WorkerViolationError,
    read_counters,
    read_identity,
    read_outcome,
    read_refused_ages,
)
from gateway.worker.event_budget import BURST_S, MAX_IMAGES, MAX_IMAGES_BYTES

EVENTS_PER_S = 50
LIVE, SIMULATED, REPLAYED = Provenance.LIVE, Provenance.SIMULATED, Provenance.REPLAYED


class Read(Observation):
    """A record."""

    event_type: ClassVar[str] = "test.read"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    number: int


class Level(Observation):
    """A state."""

    event_type: ClassVar[str] = "test.level"
    data_class: ClassVar[DataClass] = DataClass.DEVICE
    is_state: ClassVar[bool] = True
    text: str


class Moved(CommandOutput):
    """Result with one number."""

    speed: int


class Machine(Driver[Settings]):
    """Driver that only declares."""

    settings_model = Settings
    family = Family.BARRIER
    observation_types = (Read, Level)

    @command()
    async def move(self, request: CommandArguments, call: Invocation) -> Moved:
        return Moved(speed=1)


MOVE = Machine.commands["move"]


def violation(text: str) -> pytest.RaisesExc[WorkerViolationError]:
    """Expect a violation with this text."""
    return pytest.raises(WorkerViolationError, match=f"^{re.escape(text)}$")


class OutputFixture:
    """The checks of one worker, a boot clock, and a monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = FakeTime()
        self.now_s = 1000.0
        monkeypatch.setattr(worker_output, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        writer = EnvelopeWriter("ke-busia", "gw-1", "lane-1/barrier")
        self.output = WorkerOutput(Machine, writer, "s-1", self.time, EVENTS_PER_S)

    def read(self, data: bytes = b'{"number":1}', **head: Any) -> dict[str, Any]:
        """Read an event; return it as it is published, but for its identity."""
        event, last_value = self.output.read_event(self.head(**head), data)
        assert last_value is None
        read: dict[str, Any] = json.loads(event.partial_event + b"}")
        return read

    def head(self, **changes: Any) -> dict[str, Any]:
        return {
            "type": "test.read",
            "transaction": "t-1",
            "boot_ns": self.time.boot,
            "provenance": "live",
        } | changes

    def refuses(self, text: str, data: bytes = b'{"number":1}', **head: Any) -> None:
        with violation(text):
            self.read(data, **head)

    def count(self, kind: FrameType, times: int, size: int = 0) -> None:
        for _ in range(times):
            self.output.count_frame(kind, size)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> OutputFixture:
    return OutputFixture(monkeypatch)


def test_every_type_has_its_limits() -> None:
    from_worker = set(FrameType) - {
        FrameType.STOP,
        FrameType.COMMAND,
        FrameType.CLAIM,
        FrameType.REQUEST,
        FrameType.CANCEL,
        FrameType.SPEC,
        FrameType.RECORD_STORED,
        FrameType.DECISION_RECORDED,
    }
    assert set(MAX_BODY_BYTES) == from_worker
    assert set(RATES_PER_S) == from_worker - {FrameType.EVENT, FrameType.BLOB}


@pytest.mark.parametrize("kind", [kind for kind, size in MAX_BODY_BYTES.items()])
def test_body_above_its_limit_is_refused(checks: OutputFixture, kind: FrameType) -> None:
    checks.output.count_frame(kind, MAX_BODY_BYTES[kind])
    with violation(f"too long a frame of the type {kind.name}"):
        checks.output.count_frame(kind, MAX_BODY_BYTES[kind] + 1)


@pytest.mark.parametrize(("kind", "per_s"), [*RATES_PER_S.items(), (FrameType.EVENT, EVENTS_PER_S)])
def test_frames_above_their_rate_are_refused(checks: OutputFixture, kind: FrameType, per_s: int) -> None:
    checks.count(kind, BURST_S * per_s)
    with violation(f"too many frames of the type {kind.name}"):
        checks.count(kind, 1)
    checks.now_s += 1.0001
    checks.count(kind, per_s)
    with pytest.raises(WorkerViolationError):
        checks.count(kind, 1)


def test_bytes_above_their_rate_are_refused(checks: OutputFixture) -> None:
    checks.count(FrameType.BLOB, BYTES_BURST // (32 * MIB), 32 * MIB)
    with violation("too many bytes"):
        checks.count(FrameType.BLOB, 1, 1)
    checks.now_s += 1.5
    checks.count(FrameType.BLOB, 1, BYTES_PER_S)
    with pytest.raises(WorkerViolationError):
        checks.count(FrameType.BLOB, 1, BYTES_PER_S)
    checks.now_s += 1000
    checks.count(FrameType.BLOB, BYTES_BURST // (32 * MIB), 32 * MIB)
    with pytest.raises(WorkerViolationError):
        checks.count(FrameType.BLOB, 1, 1)


def test_daemon_writes_the_envelope(checks: OutputFixture) -> None:
    received_ns = checks.time.boot
    checks.time.advance(2)
    event = checks.read(boot_ns=received_ns, source="/bgw/x/y")
    assert (event["source"], event["provenance"]) == ("/bgw/ke-busia/gw-1/lane-1/barrier", "live")
    assert (event["time"], event["clock"]) == ("2025-10-09T08:53:20.000000Z", "synced")
    assert (event["bootid"], event["monons"]) == ("boot-1", str(received_ns))
    assert (event["type"], event["transaction"]) == ("bgw.test.read.v1", "t-1")
    assert event["data"] == {"number": 1, "attachments": []}


def test_event_has_its_class_images_and_age(checks: OutputFixture) -> None:
    image = Attachment.from_bytes("page", "image/png", b"pixels")
    data = Read(number=1, attachments=(image,)).model_dump_json().encode()
    checks.output.add_image({"role": "page", "media_type": "image/png"}, b"pixels")
    event, _ = checks.output.read_event(checks.head(), data)
    assert event.images == (Image("page", "image/png", b"pixels"),)
    assert (event.event_type, event.data_class) == ("test.read", DataClass.RECORD)
    assert event.received_boot_ns == checks.time.boot
    checks.read()


def test_state_has_a_last_value(checks: OutputFixture) -> None:
    data = b'{"text":"' + b"x" * (MAX_LAST_VALUE_BYTES - 11) + b'"}'
    event, last_value = checks.output.read_event(checks.head(type="test.level", provenance="simulated"), data)
    assert last_value is not None
    said = json.loads(last_value)
    assert (said["session"], said["provenance"]) == ("s-1", "simulated")
    assert said["data"] == json.loads(event.partial_event + b"}")["data"]
    checks.refuses("a last value that is too long", data + b" ", type="test.level")
    checks.read(b'{"number":1}' + b" " * MAX_LAST_VALUE_BYTES)


@pytest.mark.parametrize("ages_s", [None, "1", {}, [0.0] * 17, ["1"], [True], [-0.1], [math.inf], [math.nan]])
def test_malformed_refused_ages_are_refused(ages_s: object) -> None:
    with violation("refused attempts with malformed ages"):
        read_refused_ages({"ages_s": ages_s})
    assert read_refused_ages({"ages_s": [2, 0.5]}) == (2.0, 0.5)


@pytest.mark.parametrize("role", ["", "Page", "-page", "p" * 33, "page/#", "page\n"])
def test_malformed_role_is_refused(checks: OutputFixture, role: str) -> None:
    with violation("an image with a malformed role or media type"):
        checks.output.add_image({"role": role, "media_type": "image/png"}, b"")


@pytest.mark.parametrize("media_type", ["", "image", "image/", "/png", "Image/png", "image/" + "p" * 65])
def test_malformed_media_type_is_refused(checks: OutputFixture, media_type: str) -> None:
    with violation("an image with a malformed role or media type"):
        checks.output.add_image({"role": "page", "media_type": media_type}, b"")


def test_images_of_an_event_are_bounded(checks: OutputFixture) -> None:
    head = {"role": "p" * 32, "media_type": "image/" + "p" * 64}
    too_many = "too many images, or too many bytes of them, for one event"
    for _ in range(MAX_IMAGES):
        checks.output.add_image(head, b"")
    with violation(too_many):
        checks.output.add_image(head, b"")


def test_bytes_of_images_are_bounded(checks: OutputFixture) -> None:
    head, half = {"role": "page", "media_type": "image/png"}, bytes(MAX_IMAGES_BYTES // 2)
    for _ in range(2):  # those of an earlier event do not count
        checks.output.add_image(head, half)
        checks.output.add_image(head, half)
        checks.refuses("an event that declares other images than were sent")
    checks.output.add_image(head, half)
    checks.output.add_image(head, half)
    with violation("too many images, or too many bytes of them, for one event"):
        checks.output.add_image(head, b"1")


@pytest.mark.parametrize("change", [{"role": "back"}, {"media_type": "image/jpeg"}, {"bytes": 7}])
def test_other_image_than_declared_is_refused(checks: OutputFixture, change: dict[str, Any]) -> None:
    declared = json.loads(Attachment.from_bytes("page", "image/png", b"pixels").model_dump_json())
    checks.output.add_image({"role": "page", "media_type": "image/png"}, b"pixels")
    data = json.dumps({"number": 1, "attachments": [declared | change]}).encode()
    checks.refuses("an event that declares other images than were sent", data)
    checks.read()


def test_undeclared_or_malformed_event_is_refused(checks: OutputFixture) -> None:
    checks.refuses("an event of a type that the driver does not declare", type="document.read")
    checks.refuses("an event whose data do not match its type", b'{"number":"FORGED"}')
    checks.refuses("an event whose data do not match its type", b'{"number":1,"mrz":"FORGED"}')


@pytest.mark.parametrize("transaction", ["", "t" * 129, None, 7])
def test_malformed_transaction_is_refused(checks: OutputFixture, transaction: object) -> None:
    checks.refuses("an event with a malformed transaction", transaction=transaction)


def test_long_transaction_is_quoted(checks: OutputFixture) -> None:
    transaction = '"' * 128
    assert checks.read(transaction=transaction)["transaction"] == transaction


def test_time_of_an_event_is_bounded(checks: OutputFixture) -> None:
    start_ns = checks.time.boot
    impossible = "an event with an impossible time"
    checks.refuses(impossible, boot_ns=start_ns - 1)
    checks.refuses(impossible, boot_ns=start_ns + 1)
    checks.refuses(impossible, boot_ns=True)
    checks.refuses(impossible, boot_ns=float(start_ns))
    checks.time.advance(1)
    assert checks.read(boot_ns=start_ns + 5)["monons"] == str(start_ns + 5)
    checks.refuses(impossible, boot_ns=start_ns + 4)
    checks.read(boot_ns=start_ns + 5)


def test_clock_status_is_read_anew(checks: OutputFixture) -> None:
    checks.time.clock = ClockStatus.UNSYNCED
    checks.now_s += 0.09
    assert checks.read()["clock"] == "synced"
    checks.now_s += 0.02
    assert checks.read()["clock"] == "unsynced"
    checks.time.clock = ClockStatus.SYNCED
    checks.now_s += 0.09
    assert checks.read()["clock"] == "unsynced"


def test_state_has_only_its_fields(checks: OutputFixture) -> None:
    head = {"state": "online", "text": "Ready.", "provenance": "live"}
    assert checks.output.read_state(head) == {"state": "online", "text": "Ready.", "provenance": LIVE}
    for wrong in (head | {"session": "s"}, {"state": StateCode.MAINTENANCE}, {"state": "unknown"}):
        with violation("a state that a worker may not report"):
            checks.output.read_state(wrong)


def test_state_without_provenance_is_read(checks: OutputFixture) -> None:
    head = {"state": "offline", "text": "No answer."}
    assert checks.output.read_state(head) == head


@pytest.mark.parametrize(
    ("observed", "reported", "provenance"),
    [
        (LIVE, LIVE, LIVE),
        (LIVE, SIMULATED, SIMULATED),
        (SIMULATED, LIVE, SIMULATED),
        (SIMULATED, REPLAYED, REPLAYED),
        (REPLAYED, LIVE, REPLAYED),
        (REPLAYED, SIMULATED, REPLAYED),
        (SIMULATED, Provenance.UNKNOWN, SIMULATED),
    ],
)
def test_less_real_provenance_counts(
    checks: OutputFixture, observed: Provenance, reported: Provenance, provenance: Provenance
) -> None:
    checks.output.observed_provenance = observed
    assert checks.read(provenance=reported)["provenance"] == provenance
    assert checks.output.read_state({"state": "online", "provenance": reported})["provenance"] == provenance


def test_identity_has_only_its_fields() -> None:
    assert read_identity({"model": "m"}).model == "m"
    for wrong in ({"model": "m", "owner": "me"}, {"model": 1}, {}):
        with violation("a malformed identity"):
            read_identity(wrong)


def test_counters_are_bounded() -> None:
    whole = dict.fromkeys(COUNTERS, 2**63 - 1)
    assert read_counters(whole) == whole
    assert read_counters({"last_good_read_ns": 0}) == {"last_good_read_ns": 0}
    for wrong in ({"good_reads": 1}, {"last_good_read_ns": 0, "wages": 5}):
        with violation("a heartbeat with other counters"):
            read_counters(wrong)
    for value in (-1, 2**63, True, 1.0, "1", None):
        with violation("a heartbeat with a malformed counter"):
            read_counters({"last_good_read_ns": 0, "opens": value})


def answer(**changes: Any) -> Mapping[str, Any]:
    return {"state": "done", "reason": None, "text": "Moved.", "how": "Wait."} | changes


def test_outcome_is_read() -> None:
    assert read_outcome(answer(), b'{"speed": 3}', MOVE) == CommandOutcome(
        CommandState.DONE, None, "Moved.", "Wait.", b'{"speed":3}'
    )
    refused = read_outcome(answer(state="failed", reason="timed_out"), b"", None)
    assert refused == CommandOutcome(CommandState.FAILED, CommandReason.TIMED_OUT, "Moved.", "Wait.")


@pytest.mark.parametrize(
    ("changes", "result", "text"),
    [
        ({}, b'{"speed":"FORGED"}', "a result that does not match its command"),
        ({"text": None}, b"", "a result with a malformed text"),
        ({"how": 1}, b"", "a result with a malformed text"),
    ],
)
def test_malformed_outcome_is_refused(changes: dict[str, Any], result: bytes, text: str) -> None:
    with violation(text):
        read_outcome(answer(**changes), result, MOVE)


def test_result_without_a_command_is_refused() -> None:
    with violation("a result of a command that does not exist"):
        read_outcome(answer(), b"{}", None)


def test_time_is_that_of_the_machine() -> None:
    """A worker takes the moment of receipt from the clock that its frames are compared with."""
    output = WorkerOutput(Machine, EnvelopeWriter("s", "g", "p"), "s-1", SystemTime(), EVENTS_PER_S)
    head = {
        "type": "test.read",
        "transaction": "t-1",
        "boot_ns": SystemTime().boot_ns(),
        "provenance": "live",
    }
    event, _ = output.read_event(head, b'{"number":1}')
    assert event.received_boot_ns == head["boot_ns"]
