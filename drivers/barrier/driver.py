"""Driver of all barriers: it polls the board, and executes what the state machine decides.

The driver of one kind of board derives from `BarrierDriver`, has settings that derive from `BarrierSettings`,
and implements `build_board`. Opening and closing the driver write nothing to relays, except releases. The
frame of a command that moves is written once, whatever its outcome. Stops, releases and reopenings wait for
nothing, and are repeated until the board has acknowledged them.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, ClassVar, TypeVar

from drivers import clock
from drivers.barrier.board import Board
from drivers.barrier.board_writer import RETRY_S, BoardWriter
from drivers.barrier.commands import (
    AcknowledgeEmergency,
    CloseBarrier,
    MoveResult,
    OpenBarrier,
    SetMaintenance,
    StopResult,
)
from drivers.barrier.control.actuation import Actuation, ActuationKind, Decision
from drivers.barrier.control.admission import INPUT_AGE_LIMIT_S
from drivers.barrier.control.doors.movement import Movement, MovementResult
from drivers.barrier.control.latches import RecordClock, read_movements, read_record, write_record
from drivers.barrier.control.state_machine import BarrierStateMachine
from drivers.barrier.device_state import ONLINE_STATUS, device_state
from drivers.barrier.missed_readings import MissedReadings
from drivers.barrier.observations import (
    CONDITIONS_BY_GRAVITY,
    BarrierAlarm,
    BarrierPassage,
    BarrierState,
    StateReason,
)
from drivers.barrier.self_test import input_steps, relay_step
from drivers.barrier.wiring import BarrierSettings
from drivers.command import (
    CommandArguments,
    CommandFailure,
    CommandOutput,
    CommandRefusal,
    Invocation,
    RefusalReason,
    command,
)
from drivers.driver import Driver, Family, Identity, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Observation
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

WRITE_MARGIN_S = 0.1
"""Margin for the way of a frame to the board, in seconds: its inputs must be fresh when it arrives."""
STOP_ANSWER_S = 2.0
"""Time without an acknowledgement after which a stop is answered as failed, in seconds; it is repeated on."""
SHOWN_LOST_S = 1.5
"""Time of missed readings after which a lost link is closed at once, in seconds: it is shown as lost then."""
RECORD_SHOWN_S = 0.2
"""Time for which a state waits for its record on the disk before it is shown, marked, in seconds.

A disk of a mini-PC takes 5 to 30 ms.
"""
RECORD_WAIT_S = 0.5
"""Time for which a command waits for the disk, in seconds: nothing but a stop is accepted meanwhile."""
TEST_POLL_S = 0.05
"""Interval between readings during the test of a presence detector, in seconds."""
STOP_KEPT_S = 5.0
"""Time for which an unacknowledged stop is repeated after a lost link, in seconds."""

Output = Observation | Status
SettingsT = TypeVar("SettingsT", bound=BarrierSettings)


class BarrierDriver(Driver[SettingsT]):
    """A barrier, or a gate of two doors, on a board of relays and inputs."""

    family = Family.BARRIER
    anonymizer = "drivers.anonymize.anonymizer:keep_all"
    observation_types: ClassVar[tuple[type[Observation], ...]] = (BarrierState, BarrierPassage, BarrierAlarm)
    self_test_levels = (SelfTestLevel.INTERNAL,)

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        super().__init__(settings, links)
        self._board: Board | None = None
        self._board_lock = asyncio.Lock()
        """Locked from reading to writing: only safe writes come between the two."""
        self._output_queue: asyncio.Queue[Output | asyncio.Task[None]] = asyncio.Queue()
        self._waiting_movements: list[tuple[Movement, asyncio.Future[None]]] = []
        self._is_ended = False
        self._status = ONLINE_STATUS
        self._stop_count = 0
        """Number of stops."""
        self._stops_in_progress = 0
        self._missed_readings = MissedReadings()

    @abstractmethod
    def build_board(self) -> Board:
        """Build the board of this barrier, not opened yet."""

    async def open(self) -> Identity:
        """Open the board, identify it, and release relays that are closed.

        Raises LinkError also for an unsuitable board.
        """
        self._board = board = self.build_board()
        board.is_left_open, self.record.has_left_relays_open = self.record.has_left_relays_open, False
        identity = await board.open()
        board.is_left_open = True  # by `close`, from now on
        if (objection := self.settings.board_objection(board)) is not None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"This barrier must not be wired to this board: {objection}.",
                Action.CONFIGURE,
                "Correct the barrier's wiring in the post's file, or take another board.",
            )
        latches = read_record(self.record.text, _record_clock())
        # A first record is written at once: an absent one must never be one that the disk has refused.
        self._recorded = None if self.record.text is None else latches
        earlier_s = read_movements(self.record.text, _record_clock())
        self._machine = BarrierStateMachine(
            self.settings, _now_s(), latches, board.release_timeout_s, self.record.movements_s, earlier_s
        )
        if board.inputs_at_opening is not None:
            self._machine.on_inputs_at_opening(self.settings.decode_inputs(board.inputs_at_opening))
        self._writer = BoardWriter(board, self.settings, self._machine, self._publish)
        stop_s = self.record.stop_s
        if stop_s is not None and _now_s() - stop_s < STOP_KEPT_S:
            self._machine.on_stop(_now_s())  # the link was lost before the board acknowledged it
        self._publish(self._machine.on_relays_at_start(await board.read_relays(), _now_s()))
        await self._writer.write_due()
        return identity

    async def watch(self) -> AsyncIterator[Output]:
        """Yield states, passages and alarms; raises LinkError after three missed readings."""
        polling = asyncio.create_task(self._poll())
        polling.add_done_callback(self._output_queue.put_nowait)
        try:
            while not isinstance(output := await self._output_queue.get(), asyncio.Task):
                if not await self.record.wait_stored(RECORD_SHOWN_S):
                    output = self._marked(output)
                yield output
            await output
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            self._is_ended = True
            for _, arrival in self._waiting_movements:
                if not arrival.done():
                    arrival.set_exception(_link_lost_error())
            self._waiting_movements.clear()

    def _marked(self, output: Output) -> Output:
        """Return a state with the mark that its record is not on the disk."""
        self._machine.is_record_late = True
        match output:
            case BarrierState():
                present = {*output.conditions, StateReason.NOT_RECORDED}
                conditions = tuple(one for one in CONDITIONS_BY_GRAVITY if one in present)
                marked = output.model_copy(update={"conditions": conditions})
                self._machine.on_marked(output, marked)
                return marked
            case Status():
                status = device_state(self._machine.conditions(_now_s()))
                self._status = status if self._status == output else self._status
                return status
        return output

    async def self_test(self, _trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read the inputs. Nothing is moved: only the holder of the claim moves a boom."""
        async with self._board_lock:
            began_s = _now_s()
            sensed = self.settings.decode_inputs(await self._opened_board.read_inputs())
            took_ms = 1000 * (_now_s() - began_s)
        missed = self._machine.latches.presence_missed
        for step in input_steps(self.settings, sensed, took_ms, presence_missed=missed):
            yield step
        yield relay_step(stuck=self._machine.is_relay_stuck)

    async def close(self) -> None:
        """Close the board; see `Board.close`."""
        if self._board is not None:
            await self._board.close()  # opens its relays, or is silent until its watchdog has opened them
            self.record.has_left_relays_open = self._board.is_left_open

    @command(is_movement=True, verb="open")
    async def open_barrier(self, request: OpenBarrier, call: Invocation) -> MoveResult:
        """Open for one passage; return when the open limit is made."""
        return await self._move(request, call)

    @command(is_movement=True, is_recorded_first=True, verb="close")
    async def close_barrier(self, request: CloseBarrier, call: Invocation) -> MoveResult:
        """Close, if no person is in the way; return when the closed limit is made."""
        return await self._move(request, call)

    @command(is_movement=True, is_urgent=True)
    async def stop(self, _request: CommandArguments, _call: Invocation) -> StopResult:
        """Stop, in every state; cancels every other movement. Return when the board has acknowledged it."""
        began_s = _now_s()
        self._stop_count += 1
        self._stops_in_progress += 1
        try:
            self._writer.withdraw_movements()
            step = self._machine.on_stop(began_s)
            self.record.stop_s = began_s
            self._publish(step)
            while await self._writer.write_due() or self._machine.is_stop_pending:
                if not self._machine.is_stop_pending:
                    break
                if self._is_ended:
                    raise _link_lost_error()
                if _now_s() - began_s > STOP_ANSWER_S:
                    raise CommandFailure(
                        RefusalReason.LINK_FAILED,
                        "The board does not acknowledge the stop, which is repeated: use the stop switch at "
                        "the barrier.",
                    )
                await asyncio.sleep(RETRY_S)
        finally:
            self._stops_in_progress -= 1
        by_contact = any(door.stop is not None for door in self.settings.doors)
        return StopResult(by_stop_contact=by_contact, state=self._machine.state(_now_s())[0])

    @command(is_movement=True, is_recorded_first=True)
    async def acknowledge(self, request: AcknowledgeEmergency, call: Invocation) -> CommandOutput:
        """Acknowledge the end of an emergency, on a person's word; closing is allowed again then."""
        before = self._cancellation_counts
        await _require_recorded(call)
        async with self._board_lock:
            await self._decide(request, call, before)
        return CommandOutput()

    @command(is_movement=True, is_recorded_first=True)
    async def maintenance(self, request: SetMaintenance, call: Invocation) -> CommandOutput:
        """Start, prolong or end a maintenance lease, during which commands move nothing."""
        before = self._cancellation_counts
        if not request.duration_s:  # a lease that begins protects at once, whatever the disk does
            await _require_recorded(call)
        async with self._board_lock:
            await self._decide(request, call, before)
        if not await self.record.wait_stored(RECORD_WAIT_S):
            raise CommandFailure(
                RefusalReason.NOT_RECORDED,
                "The lease is in effect until the gateway ends: the disk has not taken its record. Turn the "
                "key switch as well.",
            )
        return CommandOutput()

    async def _move(self, request: OpenBarrier | CloseBarrier, call: Invocation) -> MoveResult:
        before, began_s = self._cancellation_counts, _now_s()
        movement: Movement | None = None
        try:
            if isinstance(request, CloseBarrier):
                await _require_recorded(call)
                await self._test_presence(request, call, before)
            async with self._board_lock:
                step = await self._decide(request, call, before)
                movement = step.movement
                if step.actuation is not None:
                    fresh_s = self._machine.sensed_s + INPUT_AGE_LIMIT_S - WRITE_MARGIN_S
                    await self._writer.move(step.actuation, by_s=min(fresh_s, _now_s() + call.remaining_s))
            if movement is not None:
                await self._wait_for_movement(movement)
        except CommandFailure as failed:
            failed.output = self._result(request, movement, began_s)
            raise
        return self._result(request, movement, began_s)

    async def _test_presence(self, request: CloseBarrier, call: Invocation, before: tuple[int, int]) -> None:
        """Test the presence detector, if it has a test input; the decision to close takes the result."""
        try:
            async with self._board_lock:
                await self._read_inputs()
                index = self._machine.may_test_presence(request.door, _now_s())
                if index is None or self._cancellation_counts != before or call.remaining_s <= 0:
                    return  # refused by the decision
                by_s = self._machine.sensed_s + INPUT_AGE_LIMIT_S
                await self._writer.move(Actuation(ActuationKind.TEST, index), by_s=by_s)
                self._machine.on_presence_test(index, _now_s())
            while self._machine.is_testing_presence(index) and self._cancellation_counts == before:
                await asyncio.sleep(TEST_POLL_S)
                async with self._board_lock:
                    await self._read_inputs()
        except LinkError as error:
            raise CommandRefusal(RefusalReason.LINK_FAILED, f"Nothing was moved: {error.text}") from error

    def _result(
        self, request: OpenBarrier | CloseBarrier, movement: Movement | None, began_s: float
    ) -> MoveResult:
        door = next(door for door in self._machine.doors if door.name == request.door)
        took_s = 0.0 if movement is None else movement.ended_s - movement.requested_s
        writes = tuple(self._writer.writes_since(began_s))
        return MoveResult(state=door.state, duration_s=max(0.0, round(took_s, 2)), writes=writes)

    @property
    def _cancellation_counts(self) -> tuple[int, int]:
        """Number of cancellations of all movements: by stops, and by emergencies."""
        return self._stop_count, self._machine.emergency_count

    async def _decide(self, request: CommandArguments, call: Invocation, before: tuple[int, int]) -> Decision:
        """Decide on the inputs of this moment; the board lock is held.

        `before`: the number of cancellations when this command came.
        """
        try:
            await self._read_inputs()
        except LinkError as error:
            raise CommandRefusal(
                RefusalReason.LINK_FAILED, f"Nothing was sent to the barrier: {error.text}"
            ) from error
        stops, emergencies = before
        if self._stop_count != stops or self._stops_in_progress:
            raise CommandRefusal(RefusalReason.CANCELLED, "The barrier was stopped in the meantime.")
        if self._machine.emergency_count != emergencies:
            raise CommandRefusal(RefusalReason.UNSAFE, "An emergency occurred in the meantime.")
        if call.remaining_s <= 0:
            raise CommandRefusal(RefusalReason.EXPIRED, "The command came too late.")
        step = self._machine.on_command(request, call, _now_s())
        self._publish(step)
        if step.actuation is not None:  # a successor continues the rate limit; the frame waits for no disk
            self.record.add(self._record_text())
        return step

    async def _read_inputs(self) -> None:
        """Read the inputs, and write at once what the state machine finds due; the board lock is held."""
        asked_s = _now_s()
        self._machine.is_record_late = self.record.is_late(RECORD_SHOWN_S)
        with self._missed_readings.counting():
            inputs = self.settings.decode_inputs(await self._read(self._opened_board.read_inputs()))
        self._publish(self._machine.on_inputs(inputs, asked_s, _now_s()))
        await self._writer.write_due()

    async def _read(self, reading: Coroutine[Any, Any, tuple[bool, ...]]) -> tuple[bool, ...]:
        """Return what is read; a reopening whose dead time ends meanwhile does not wait for the reading."""
        if self._until_due_s() is None:
            return await reading
        task = asyncio.create_task(reading, name="reading")
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=self._until_due_s())
                if not task.done():
                    await self._writer.write_due()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _until_due_s(self) -> float | None:
        """Return the time until a reopening becomes due, in seconds; None: none waits for its dead time."""
        due_s, now_s = self._machine.next_due_s(), _now_s()
        return due_s - now_s if due_s is not None and due_s > now_s else None

    async def _wait_for_movement(self, movement: Movement) -> None:
        """Wait until a movement has ended; raises CommandFailure if it did not arrive."""
        if self._is_ended:
            raise _link_lost_error()
        if movement.result is None:
            arrival = asyncio.get_running_loop().create_future()
            self._waiting_movements.append((movement, arrival))
            await arrival
        match movement.result:
            case MovementResult.NOT_STARTED:
                raise CommandFailure(RefusalReason.TIMED_OUT, "The barrier has not started to move.")
            case MovementResult.NOT_ARRIVED:
                raise CommandFailure(RefusalReason.TIMED_OUT, "The barrier has not arrived in time.")
            case MovementResult.STOPPED:
                raise CommandFailure(RefusalReason.CANCELLED, "The barrier was stopped.")
            case MovementResult.ARRIVED_DESPITE_STOP:
                raise CommandFailure(
                    RefusalReason.CANCELLED,
                    f"A stop was commanded, and the barrier is {movement.goal} nevertheless.",
                )
            case MovementResult.REVERSED:
                raise CommandFailure(RefusalReason.UNSAFE, "A person or object was in the way.")
            case MovementResult.EMERGENCY:
                raise CommandFailure(RefusalReason.UNSAFE, "An emergency occurred in the meantime.")

    async def _poll(self) -> None:
        while True:
            began_s = _now_s()
            try:
                async with self._board_lock:
                    await self._read_inputs()
                    await self._read_relays()
                self._missed_readings.on_complete_poll()
            except LinkError:
                if self._missed_readings.loss is not None:
                    self._publish(self._machine.on_link_lost())
                    if not self._missed_readings.is_for(SHOWN_LOST_S):
                        await self._writer.write_last()
                    raise
            is_due = await self._writer.write_due()
            await asyncio.sleep(RETRY_S if is_due else self._pause_s(began_s))

    def _pause_s(self, began_s: float) -> float:
        """Return the time until the next poll, or until a reopening becomes due."""
        pause_s = max(0.0, began_s + self.settings.poll_s - _now_s())
        due_s = self._until_due_s()
        return pause_s if due_s is None else min(pause_s, due_s)

    async def _read_relays(self) -> None:
        """Read the relays: each must be as this driver has left it; the board lock is held."""
        asked_s = _now_s()
        with self._missed_readings.counting():
            closed = await self._opened_board.read_relays()
        self._publish(self._machine.on_relays(closed, asked_s, _now_s()))

    def _publish(self, step: Decision) -> None:
        """Record latches, emit the observations of a decision, wake commands whose movement has ended."""
        if self._machine.latches != self._recorded:
            self._recorded = self._machine.latches
            self.record.write(self._record_text())
        if not self._machine.is_stop_pending:
            self.record.stop_s = None
        for output in step.observations:
            self._output_queue.put_nowait(output)
        status = device_state(self._machine.conditions(_now_s()))
        if status != self._status:
            self._status = status
            self._output_queue.put_nowait(status)
        for movement, arrival in self._waiting_movements:
            if movement.result is not None and not arrival.done():
                arrival.set_result(None)
        self._waiting_movements = [one for one in self._waiting_movements if not one[1].done()]

    def _record_text(self) -> str:
        return write_record(self._machine.latches, _record_clock(), self.record.movements_s)

    @property
    def _opened_board(self) -> Board:
        assert self._board is not None
        return self._board


async def _require_recorded(call: Invocation) -> None:
    """Wait for the record of the decision on a command; raises CommandRefusal if the disk does not take it.

    See "Order of disk, board and display" in SAFETY.md.
    """
    if not await call.wait_recorded(RECORD_WAIT_S):
        raise CommandRefusal(
            RefusalReason.NOT_RECORDED,
            "The decision could not be recorded, so nothing was done. Opening and stopping still work.",
        )


def _link_lost_error() -> CommandFailure:
    return CommandFailure(
        RefusalReason.LINK_FAILED, "The link was lost during the movement: the barrier may have arrived."
    )


def _now_s() -> float:
    """Return the event loop's monotonic time, in seconds."""
    return asyncio.get_running_loop().time()


def _record_clock() -> RecordClock:
    return RecordClock(_now_s(), clock.boot_ns() / 1e9, clock.boot_id())
