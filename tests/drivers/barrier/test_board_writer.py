"""Writer of a barrier's board, with a board and a state machine that only record."""

import asyncio
from typing import Any, cast

import pytest
from barrier_fixture import ONE_DOOR

from drivers.barrier import board_writer
from drivers.barrier.board import Board, BoardLate, BoardRefused
from drivers.barrier.board_writer import BoardWriter
from drivers.barrier.control.actuation import RELEASE, Actuation, ActuationKind, Decision
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.wiring import BarrierSettings
from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.links.link import Action, Cause, LinkError

OPEN, STOP, REOPEN = (
    Actuation(kind) for kind in (ActuationKind.OPEN, ActuationKind.STOP, ActuationKind.REOPEN)
)
LOST = LinkError(Cause.NO_RESPONSE, "The board does not answer.", Action.WAIT)


class RecordingBoard:
    """Board that records what is written; each write waits, fails or succeeds as the test decides."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []
        self.failure: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        await self._write(relay, for_s, urgent, by_s)

    async def open_all_relays(self) -> None:
        await self._write("release")

    async def _write(self, *what: Any) -> None:
        self.written.append(what)
        await self.answers.wait()
        if self.failure is not None:
            raise self.failure


class RecordingMachine:
    """State machine that records what it is called with, without times."""

    def __init__(self) -> None:
        self.pending: list[Actuation] = []
        self.calls: list[tuple[Any, ...]] = []

    def due(self, now_s: float) -> tuple[Actuation, ...]:
        assert now_s > 0
        return tuple(self.pending)

    def on_writing(self, actuation: Actuation, now_s: float) -> None:
        self._record("writing", actuation, now_s)

    def on_acknowledged(self, actuation: Actuation, now_s: float) -> Decision:
        self._record("acknowledged", actuation, now_s)
        self.pending = [one for one in self.pending if one != actuation]
        return Decision(actuation=actuation)

    def on_unanswered(self, actuation: Actuation, now_s: float) -> None:
        self._record("unanswered", actuation, now_s)

    def on_refused(self, actuation: Actuation, now_s: float, *, sent: bool = True) -> None:
        self._record("refused" if sent else "not sent", actuation, now_s)

    def _record(self, what: str, actuation: Actuation, now_s: float) -> None:
        assert now_s == pytest.approx(asyncio.get_running_loop().time(), abs=5)
        self.calls.append((what, actuation))


class WriterFixture:
    """A writer between both."""

    def __init__(self) -> None:
        self.board, self.machine = RecordingBoard(), RecordingMachine()
        self.published: list[Decision] = []
        self.writer = BoardWriter(
            cast("Board", self.board),
            BarrierSettings.model_validate(ONE_DOOR),
            cast("BarrierStateMachine", self.machine),
            self.published.append,
        )

    async def begin(self, work: Any) -> "asyncio.Task[Any]":
        """Begin work whose write waits for the board."""
        self.board.answers.clear()
        task = asyncio.ensure_future(work)
        for _ in range(5):
            await asyncio.sleep(0)
        assert self.board.written
        return task


@pytest.fixture
async def fixture() -> WriterFixture:
    return WriterFixture()


async def test_movement_is_written_once(fixture: WriterFixture) -> None:
    await fixture.writer.move(OPEN, by_s=7.0)
    assert fixture.board.written == [(0, 0.5, False, 7.0)]
    assert fixture.machine.calls == [("writing", OPEN), ("acknowledged", OPEN)]
    assert fixture.published == [Decision(actuation=OPEN)]


@pytest.mark.parametrize(
    ("failure", "call", "raised", "reason", "text"),
    [
        (
            BoardLate("x"),
            "not sent",
            CommandRefusal,
            RefusalReason.EXPIRED,
            "The command could not be written to the board in time.",
        ),
        (BoardRefused("x"), "refused", CommandRefusal, RefusalReason.DEVICE_REFUSED, "The board refused."),
        (LOST, "unanswered", LinkError, None, "The board does not answer."),
    ],
)
async def test_failed_movement_is_not_repeated(
    fixture: WriterFixture, failure: Exception, call: str, raised: type[Exception], reason: Any, text: str
) -> None:
    fixture.board.failure = failure
    with pytest.raises(raised) as caught:
        await fixture.writer.move(OPEN, by_s=7.0)
    assert getattr(caught.value, "text", None) == text
    assert getattr(caught.value, "reason", None) is reason
    assert fixture.machine.calls == [("writing", OPEN), (call, OPEN)]
    assert len(fixture.board.written) == 1
    assert fixture.published == []


async def test_withdrawn_movement_is_cancelled(fixture: WriterFixture) -> None:
    moving = await fixture.begin(fixture.writer.move(OPEN, by_s=7.0))
    fixture.writer.withdraw_movements()
    with pytest.raises(CommandFailure) as failed:
        await moving
    assert (failed.value.reason, failed.value.text) == (
        RefusalReason.CANCELLED,
        "The barrier was stopped in the meantime.",
    )
    assert fixture.machine.calls == [("writing", OPEN), ("unanswered", OPEN)]


async def test_cancelled_command_ends_its_write(fixture: WriterFixture) -> None:
    moving = await fixture.begin(fixture.writer.move(OPEN, by_s=7.0))
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    assert fixture.machine.calls == [("writing", OPEN), ("unanswered", OPEN)]
    fixture.writer.withdraw_movements()


async def test_release_comes_before_the_rest(fixture: WriterFixture) -> None:
    fixture.machine.pending = [STOP, RELEASE]
    assert not await fixture.writer.write_due()
    assert fixture.board.written == [("release",), (2, 0.5, True, None)]
    assert fixture.machine.calls == [
        ("writing", RELEASE),
        ("acknowledged", RELEASE),
        ("writing", STOP),
        ("acknowledged", STOP),
    ]
    assert fixture.published == [Decision(actuation=RELEASE), Decision(actuation=STOP)]
    assert not await fixture.writer.write_due()
    assert len(fixture.board.written) == 2


@pytest.mark.parametrize("failure", [BoardRefused("x"), LOST])
async def test_failed_stop_stays_due(fixture: WriterFixture, failure: Exception) -> None:
    fixture.machine.pending = [STOP]
    fixture.board.failure = failure
    assert await fixture.writer.write_due()
    assert fixture.machine.calls == [("writing", STOP), ("unanswered", STOP)]
    fixture.board.failure = None
    assert not await fixture.writer.write_due()


async def test_stop_withdraws_a_reopening_only(fixture: WriterFixture) -> None:
    """The reopening may still wait for the line; the stop beside it must reach the board."""
    fixture.machine.pending = [STOP, REOPEN]
    writing = await fixture.begin(fixture.writer.write_due())
    assert fixture.board.written == [(2, 0.5, True, None), (0, 0.5, True, None)]
    fixture.writer.withdraw_movements()
    fixture.board.answers.set()
    assert await writing, "the reopening is still due, until the stop cancels it"
    assert fixture.machine.calls[2:] == [("acknowledged", STOP), ("unanswered", REOPEN)]
    fixture.writer.withdraw_movements()


async def test_ended_driver_ends_its_writes(fixture: WriterFixture) -> None:
    fixture.machine.pending = [STOP]
    writing = await fixture.begin(fixture.writer.write_due())
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert fixture.machine.calls == [("writing", STOP), ("unanswered", STOP)]


async def test_last_writes_wait_for_a_stop_that_is_being_written(fixture: WriterFixture) -> None:
    fixture.machine.pending = [STOP]
    writing = await fixture.begin(fixture.writer.write_due())
    last = asyncio.ensure_future(fixture.writer.write_last())
    await asyncio.sleep(0.01)
    assert not last.done()
    fixture.board.answers.set()
    await asyncio.gather(writing, last)
    assert len(fixture.board.written) == 1


async def test_last_writes_are_repeated_for_a_short_time(
    fixture: WriterFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_writer, "LAST_WRITES_S", 0.1)
    fixture.machine.pending = [STOP]
    fixture.board.failure = LOST
    await fixture.writer.write_last()
    assert 2 <= len(fixture.board.written) <= 6
    assert fixture.machine.calls[-1] == ("unanswered", STOP)
