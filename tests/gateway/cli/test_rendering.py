"""Events and states on a terminal: readable, and without personal data of live travellers."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from support.vendors import acme

from drivers.access.observations import UNKNOWN_STATUS, CardFormat, CardRead
from drivers.barrier.observations import (
    AlarmKind,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    DoorState,
    MovementState,
    PassageDirection,
    StateReason,
)
from drivers.camera.observations import FaceCaptured, PictureHint, PictureMeasure, PlateRead
from drivers.camera.observations import MeasuredArea as Measured
from drivers.fingerprint.observations import (
    CaptureEnded,
    FeedbackCode,
    FingerCaptured,
    FingerFeedback,
    FingerPosition,
)
from drivers.observation import Attachment, Check, CheckGroup, Observation, Outcome
from drivers.passport.chip_result import AccessMethod, ChipProgress, ChipResult, ChipStage
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.parser import parse
from drivers.passport.observations import (
    ChipRead,
    ChipReadProgress,
    DocumentArea,
    DocumentChecked,
    DocumentPlaced,
    DocumentRead,
    DocumentRemoved,
    FrameFault,
    IlluminationType,
    ImageCaptured,
    ReadFailed,
    ReadTrigger,
    TransactionEnd,
)
from drivers.passport.read_result import overall_outcome
from gateway.cli._render.event import event_json, event_line, state_light, status_line
from gateway.cli.command import _result_text
from gateway.client import DeviceStatus, ReceivedEvent
from gateway.contract.commands import CommandState
from gateway.contract.documents.schemas import example
from gateway.contract.envelope import ClockStatus, Event
from gateway.contract.events import (
    AuditCheckpoint,
    ClaimChange,
    ClaimChanged,
    ClockStepped,
    CommandDecided,
    CommandEnded,
)
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import DeviceState
from gateway.contract.topics import Position
from simulators.specimens import ERIKSSON_LINES

TODAY = date(2026, 11, 23)
PERSONAL = ("ERIKSSON", "L898902C3", "1974", "740812")


def received(data: Observation | dict[str, Any], provenance: str = "live") -> ReceivedEvent:
    plain = data.model_dump(mode="json") if isinstance(data, Observation) else data
    envelope = Event[Any].model_validate(
        {
            "specversion": "1.0",
            "id": "01938f3e-7c1a-7b5e-9d55-000000000001",
            "source": "/bgw/uto-test/gw-1/lane-1/reader",
            "type": "bgw.document.read.v1",
            "time": datetime(2026, 11, 23, tzinfo=UTC),
            "datacontenttype": "application/json",
            "dataschema": "urn:bgw:schema:document.read:v1",
            "bootid": "b",
            "monons": "1",
            "clock": "synced",
            "provenance": provenance,
            "transaction": "t",
            "epoch": "e",
            "stream": "lane-1/reader/traveller",
            "seq": 1,
            "data": plain,
        }
    )
    return ReceivedEvent(Position("lane-1", "reader"), envelope, data, {}, None)


def document(lines: tuple[str, ...] = ERIKSSON_LINES["TD3"]) -> DocumentRead:
    mrz = parse(lines, TODAY)
    found = mrz_checks(mrz, lines, TODAY)
    return DocumentRead(
        trigger=ReadTrigger.SWIPE, lines=lines, mrz=mrz, checks=found, overall_outcome=overall_outcome(found)
    )


@pytest.mark.parametrize("reveal", [False, True])
@pytest.mark.parametrize("provenance", ["live", "simulated", "replayed", "dreamt"])
def test_real_traveller_needs_reveal(provenance: str, reveal: bool) -> None:
    item = received(document(), provenance)
    for shown in (event_line(item, reveal=reveal).plain, event_json(item, reveal=reveal)):
        if provenance == "simulated" or reveal:
            assert "ERIKSSON" in shown
        elif provenance == "replayed":
            assert not any(word in shown for word in PERSONAL), "a recording may be of real people"
        else:
            assert not any(word in shown for word in PERSONAL)


def test_live_event_json_is_redacted() -> None:
    event = json.loads(event_json(received(document()), reveal=False))
    assert event["data"]["overall_outcome"] == "failed"
    assert event["data"]["lines"] == "<tuple len=2>"
    assert event["data"]["mrz"]["format"] == "td3"


def test_undecoded_and_failed_reads() -> None:
    undecoded = document(("SOME TEXT",))
    assert "no machine readable zone" in event_line(received(undecoded), reveal=False).plain
    failed = ReadFailed(fault=FrameFault.CUT, size_bytes=5)
    assert "present the document again" in event_line(received(failed), reveal=False).plain


def decided(decision: CommandState, reason: CommandReason | None = None) -> CommandDecided:
    return CommandDecided(
        cmd_id="c",
        station="lane-1",
        verb="open",
        decision=decision,
        reason=reason,
        holder=None,
        command_seq=1,
        args={},
        remaining_ms=2500,
    )


OPEN_DOOR = DoorState(state=MovementState.OPEN, open_limit=True, closed_limit=False, presence=True)
CLOSED_DOOR = DoorState(door="out", state=MovementState.CLOSED, open_limit=False, closed_limit=True)
PIECES: dict[str, Observation] = {
    "document placed": DocumentPlaced(trigger=ReadTrigger.INSERT),
    "image of the page, infrared light, 3 kB": ImageCaptured(
        light=IlluminationType.INFRARED,
        area=DocumentArea.PAGE,
        attachments=(Attachment.from_bytes("page_ir", "image/jpeg", bytes(3000)),),
    ),
    "chip: DG2, 25 %": ChipReadProgress(
        progress=ChipProgress(stage=ChipStage.READING, file="DG2", bytes_read=500, bytes_total=2000)
    ),
    "chip by pace_mrz: DG1 DG2": ChipRead(
        chip=ChipResult(access=AccessMethod.PACE_MRZ, data_groups_read=(1, 2), checks=())
    ),
    "checks  ✗ ir_ab_mr": DocumentChecked(
        checks=(Check(id="optical.ir_ab_mr", group=CheckGroup.OPTICAL, outcome=Outcome.FAILED),)
    ),
    "document removed": DocumentRemoved(end_reason=TransactionEnd.COMPLETE),
    "card, 26 bits": CardRead(reader=0, format=CardFormat.WIEGAND, bits=26, data="01020340"),
    "card reader  inputs ●○  opened or removed": UNKNOWN_STATUS.model_copy(
        update={"tampered": True, "inputs": (True, False)}
    ),
    "right index: place": FingerFeedback(
        feedback=FeedbackCode.PLACE, position=FingerPosition.RIGHT_INDEX, attempt=1, best_of=1
    ),
    "print of right index, 384x290, 3 kB  nfiq2 54 ✓": FingerCaptured.model_validate(
        example(FingerCaptured) | {"attachments": (Attachment.from_bytes("png", "image/png", bytes(3000)),)}
    ),
    "capture of right index: unreadable, too light": CaptureEnded.model_validate(
        example(CaptureEnded) | {"outcome": "unreadable"}
    ),
    "open  lane obstructed": BarrierState(state=MovementState.OPEN, doors=(OPEN_DOOR,)),
    "emergency open  emergency unacknowledged  in open  out closed"
    "  last state before the link failed": BarrierState(
        state=MovementState.EMERGENCY_OPEN,
        reason=StateReason.EMERGENCY_UNACKNOWLEDGED,
        doors=(OPEN_DOOR.model_copy(update={"door": "in", "presence": False}), CLOSED_DOOR),
        stale=True,
    ),
    "passage forward  ✓ permit": BarrierPassage(
        direction=PassageDirection.FORWARD, permitted=True, duration_s=2
    ),
    "out: passage turned back  no permit": BarrierPassage(
        door="out", direction=PassageDirection.TURNED_BACK, permitted=False, duration_s=2
    ),
    "It stands open.": BarrierAlarm(kind=AlarmKind.OPEN_TOO_LONG, door="", text="It stands open."),
    "closed  traveller waiting": BarrierState(
        state=MovementState.CLOSED,
        doors=(CLOSED_DOOR.model_copy(update={"door": "", "presence": False, "entry_side": True}),),
    ),
    "open requested by lane-1: accepted": decided(CommandState.ACCEPTED),
    "open requested by lane-1: rejected, claimed": decided(CommandState.REJECTED, CommandReason.CLAIMED),
    "open for lane-1: failed, timed_out in 6.0 s": CommandEnded(
        cmd_id="c",
        station="lane-1",
        verb="open",
        state=CommandState.FAILED,
        reason=CommandReason.TIMED_OUT,
        duration_ms=6001,
    ),
    "stolen: held by chief, before by lane-1 (counter unattended)": ClaimChanged(
        change=ClaimChange.STOLEN,
        holder="chief",
        previous_holder="lane-1",
        lease_s=30,
        reason="counter unattended",
    ),
    "the audit is signed up to line 4711: hour": AuditCheckpoint(line=4711, sha256="0" * 64, trigger="hour"),
    "the clock was set by +3,600.0 s": ClockStepped(
        step_ms=3_600_000, clock_status=ClockStatus.SYNCED, first_synced=True
    ),
}


@pytest.mark.parametrize("said", PIECES)
def test_each_event_has_summary(said: str) -> None:
    assert event_line(received(PIECES[said]), reveal=False).plain.endswith(said)


def test_many_passed_checks_become_a_number() -> None:
    good = tuple(
        Check(id=f"chip.data_group_hash.DG{n}", group=CheckGroup.ELECTRONIC, outcome=Outcome.SUCCESSFUL)
        for n in range(5)
    )
    bad = Check(id="chip.dsc_revocation", group=CheckGroup.ELECTRONIC, outcome=Outcome.FAILED)
    read = document().model_copy(update={"checks": (*good, bad), "end_reason": TransactionEnd.REMOVED})
    said = event_line(received(read), reveal=False).plain
    assert "✓ 5 checks  ✗ dsc_revocation" in said
    assert "ended early: removed" in said
    assert "DG3" not in said


def test_unknown_event_is_hidden_without_reveal() -> None:
    unknown = received({"name": "ERIKSSON"})
    assert "ERIKSSON" not in event_line(unknown, reveal=False).plain
    assert "ERIKSSON" in event_line(unknown, reveal=True).plain
    assert "ERIKSSON" not in event_json(unknown, reveal=False)


@pytest.mark.parametrize("data", [3, None, "ERIKSSON", ["ERIKSSON"], {"ERIKSSON": 1}])
def test_any_unknown_data_is_one_hidden_line(data: Any) -> None:
    for shown in (event_line(received(data), reveal=False).plain, event_json(received(data), reveal=False)):
        assert "ERIKSSON" not in shown
    assert event_line(received(data), reveal=True).plain.endswith(json.dumps(data))


WEIGHED = acme.Weighed(
    grams=23400,
    at=datetime(2026, 11, 23, 8, 15, 30, tzinfo=UTC),
    owner="ERIKSSON",
    readings=(acme.Reading(cell=1, at=datetime(2026, 11, 23, tzinfo=UTC), label="ERIKSSON 1"),),
)


def test_event_of_package_shows_its_unredacted_fields() -> None:
    line = event_line(received(WEIGHED), reveal=False).plain
    assert "ERIKSSON" not in line
    assert "grams: 23400, unit: g, at: 2026-11-23T08:15:30Z, owner: <str len=8>" in line
    assert "ERIKSSON" in event_line(received(WEIGHED), reveal=True).plain
    assert "ERIKSSON" in event_line(received(WEIGHED, "simulated"), reveal=False).plain

    data = json.loads(event_json(received(WEIGHED), reveal=False))["data"]
    assert (data["grams"], data["at"], data["owner"]) == (23400, "2026-11-23T08:15:30Z", "<str len=8>")
    assert data["readings"][0]["label"] == "<str len=10>"


def test_partial_date_marks_unknown_parts() -> None:
    lines = (ERIKSSON_LINES["TD3"][0], "L898902C36UTO74<<<<2F1204159ZE184226B<<<<<10")
    assert "*1974-??-??" in event_line(received(document(lines)), reveal=True).plain


@pytest.mark.parametrize(
    ("state", "alive", "word"),
    [("online", True, "online"), ("offline", True, "offline"), ("online", False, "unknown, gateway silent")],
)
def test_light_distinguishes_gateway_and_device(state: str, alive: bool, word: str) -> None:
    told = DeviceState.model_validate(
        {
            "state": state,
            "since": datetime(2026, 11, 23, tzinfo=UTC),
            "session": "s",
            "cause": None if state == "online" else "port_held",
            "text": "ModemManager (pid 712) holds the port.",
            "action": "restart",
        }
    )
    status = DeviceStatus(Position("lane-1", "reader"), told, None, gateway_online=alive, age_s=6.1)
    assert state_light(status)[1] == word
    assert ("ModemManager" in status_line(status).plain) == (state == "offline")
    assert ("it was online 6 s ago" in status_line(status).plain) == (not alive)


def test_unknown_device_status() -> None:
    assert (
        state_light(DeviceStatus(Position("lane-1", "reader"), None, None, gateway_online=False))[1]
        == "unknown"
    )


def test_picture_summary() -> None:
    dark = PictureHint(
        measure=PictureMeasure.BRIGHTNESS,
        area=Measured.PICTURE,
        value=23,
        at_least=60,
        outcome=Outcome.FAILED,
    )
    portrait = FaceCaptured(
        width_px=1920,
        height_px=1080,
        received_at=datetime(2026, 11, 23, tzinfo=UTC),
        latency_ms=61.4,
        age_ms=18.2,
        measurements=(dark,),
        frame_number=1,
        frame_count=1,
        best_of=1,
        attachments=(Attachment.from_bytes("picture", "image/jpeg", bytes(4000)),),
    )
    assert event_line(received(portrait), reveal=False).plain.endswith(
        "portrait, 1920x1080, 4 kB, 18 ms old  ✗ brightness 23"
    )


@pytest.mark.parametrize(("provenance", "word"), [("simulated", "KCA123X"), ("live", "plate hidden")])
def test_plate_is_shown_only_with_reveal(provenance: str, word: str) -> None:
    read = PlateRead(
        plate_raw="KCA \x1b[31m123X",
        plate="KCA123X",
        received_at=datetime(2026, 11, 23, tzinfo=UTC),
        vendor_id="KCA123X.jpg",
        missing_images=1,
        backlog=True,
    )
    line = event_line(received(read, provenance), reveal=False).plain
    assert word in line
    assert "1 images missing" in line
    assert "\x1b" not in line
    assert ("KCA" in line) is (provenance == "simulated")


def test_result_of_command_is_one_line() -> None:
    writes = [{"kind": "open", "door": "", "relay": 0}]
    facts = _result_text({"state": "open", "duration_s": 1.82, "writes": writes, "fault": None, "door": {}})
    assert facts == " state=open duration_s=1.82"
