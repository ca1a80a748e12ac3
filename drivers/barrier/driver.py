"""Driver of all barriers: it polls the inputs, and executes what the state machine decides.

The driver of one kind of board derives from `BarrierDriver`, has settings that derive from `BarrierSettings`,
and implements `build_board`. Opening and closing the driver write nothing to relays, except what
`Board.close` releases; no write is repeated, whatever its outcome.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, TypeVar

from drivers.barrier.board import Board, BoardRefused
from drivers.barrier.commands import (
    AcknowledgeEmergency,
    CloseBarrier,
    MoveResult,
    OpenBarrier,
    SetMaintenance,
    StopResult,
)
from drivers.barrier.control.movement import Movement, MovementResult
from drivers.barrier.control.state_machine import Actuation, ActuationKind, BarrierStateMachine, Decision
from drivers.barrier.device_state import ONLINE_STATUS, device_state
from drivers.barrier.observations import BarrierAlarm, BarrierPassage, BarrierState
from drivers.barrier.self_test import input_steps
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
from drivers.observation import Observation, Outcome
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

MAX_MISSED_POLLS = 3
"""Number of unanswered polls in a row after which the link has failed."""
RELAY_CHECK_DELAY_S = 0.1
"""Delay between the certain end of a pulse and the check of its relay, in seconds."""

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
        """Locked from reading to writing: only a stop comes between the two."""
        self._output_queue: asyncio.Queue[Output | asyncio.Task[None]] = asyncio.Queue()
        self._waiting_movements: list[tuple[Movement, asyncio.Future[None]]] = []
        self._is_ended = False
        self._status = ONLINE_STATUS
        self._stop_count = 0
        """Number of stops."""
        self._stops_in_progress = 0
        self._write_count = 0
        """Number of writes to the relays."""
        self._relay_check_due_s: float | None = None
        """Time of the next check of the relays; None: no check is due."""

    @abstractmethod
    def build_board(self) -> Board:
        """Build the board of this barrier, not opened yet."""

    async def open(self) -> Identity:
        """Open the board and identify it, by reading; raises LinkError also for an unsuitable board."""
        self._board = board = self.build_board()
        identity = await board.open()
        if (objection := self.settings.board_objection(board)) is not None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"This barrier must not be wired to this board: {objection}.",
                Action.CONFIGURE,
                "Correct the barrier's wiring in the post's file, or take another board.",
            )
        self._machine = BarrierStateMachine(self.settings, _now_s())
        self._relay_check_due_s = _now_s()
        return identity

    async def watch(self) -> AsyncIterator[Output]:
        """Yield states, passages and alarms; raises LinkError after three missed polls."""
        polling = asyncio.create_task(self._poll())
        polling.add_done_callback(self._output_queue.put_nowait)
        try:
            while not isinstance(output := await self._output_queue.get(), asyncio.Task):
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

    async def self_test(self, _trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Read the inputs. Nothing is moved: only the holder of the claim moves a boom."""
        async with self._board_lock:
            began_s = _now_s()
            sensed = self.settings.decode_inputs(await self._opened_board.read_inputs())
            took_ms = 1000 * (_now_s() - began_s)
        for step in input_steps(self.settings, sensed, took_ms):
            yield step
        stuck = self._machine.is_relay_stuck
        yield SelfTestStep(
            name="relays",
            outcome=Outcome.FAILED if stuck else Outcome.SUCCESSFUL,
            text="A relay is closed that should be open." if stuck else "All relays are open.",
            action="replace" if stuck else "none",
        )

    async def close(self) -> None:
        """Close the board; see `Board.close`."""
        if self._board is not None:
            await self._board.close()

    @command(is_movement=True, verb="open")
    async def open_barrier(self, request: OpenBarrier, call: Invocation) -> MoveResult:
        """Open for one passage; return when the open limit is made."""
        return await self._move(request, call)

    @command(is_movement=True, verb="close")
    async def close_barrier(self, request: CloseBarrier, call: Invocation) -> MoveResult:
        """Close, if no person is in the way; return when the closed limit is made."""
        return await self._move(request, call)

    @command(is_movement=True, is_urgent=True)
    async def stop(self, _request: CommandArguments, _call: Invocation) -> StopResult:
        """Stop, in every state; cancels every other movement."""
        self._stop_count += 1
        self._stops_in_progress += 1
        self._publish(self._machine.on_stop(_now_s()))
        relays = [door.stop for door in self.settings.doors if door.stop is not None]
        try:
            for relay in relays:
                await self._opened_board.pulse_relay(relay, self.settings.pulse_s, urgent=True)
            if not relays:
                await self._opened_board.open_all_relays()
                self._machine.on_sent(Actuation(ActuationKind.RELEASE), _now_s())
        except BoardRefused as refused:
            raise CommandFailure(RefusalReason.DEVICE_REFUSED, "The board refused.") from refused
        finally:
            self._stops_in_progress -= 1
            self._schedule_relay_check()
        return StopResult(by_stop_contact=bool(relays))

    @command(is_movement=True)
    async def acknowledge(self, request: AcknowledgeEmergency, call: Invocation) -> CommandOutput:
        """Acknowledge the end of an emergency, on a person's word; closing is allowed again then."""
        before = self._cancellation_counts
        async with self._board_lock:
            await self._decide(request, call, before)
        return CommandOutput()

    @command(is_movement=True)
    async def maintenance(self, request: SetMaintenance, call: Invocation) -> CommandOutput:
        """Start, prolong or end a maintenance lease, during which commands move nothing."""
        before = self._cancellation_counts
        async with self._board_lock:
            await self._decide(request, call, before)
        return CommandOutput()

    async def _move(self, request: OpenBarrier | CloseBarrier, call: Invocation) -> MoveResult:
        before = self._cancellation_counts
        async with self._board_lock:
            step = await self._decide(request, call, before)
            if step.actuation is not None:
                await self._actuate(step.actuation)
        movement = step.movement
        if movement is not None:
            await self._wait_for_movement(movement)
        door = next(door for door in self._machine.doors if door.name == request.door)
        took_s = 0.0 if movement is None else movement.ended_s - movement.requested_s
        return MoveResult(state=door.state, duration_s=max(0.0, round(took_s, 2)))

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
        step = self._machine.on_command(request, call.transaction, _now_s())
        self._publish(step)
        return step

    async def _read_inputs(self) -> None:
        """Read the inputs, and execute at once what the state machine decides; the board lock is held."""
        asked_s = _now_s()
        step = self._machine.on_inputs(
            self.settings.decode_inputs(await self._opened_board.read_inputs()), asked_s
        )
        self._publish(step)
        if step.actuation is not None and not self._stops_in_progress:
            await self._actuate(step.actuation)

    async def _actuate(self, actuation: Actuation) -> None:
        """Write one actuation to the board, once."""
        board, door = self._opened_board, self.settings.doors[actuation.door]
        try:
            match actuation.kind:
                case ActuationKind.OPEN:
                    await board.pulse_relay(door.open, self.settings.pulse_s)
                case ActuationKind.CLOSE if door.close is not None:
                    await board.pulse_relay(door.close, self.settings.pulse_s)
                case _:
                    await board.open_all_relays()
        except BoardRefused as refused:
            self._machine.on_refused(actuation, _now_s())
            raise CommandRefusal(RefusalReason.DEVICE_REFUSED, "The board refused.") from refused
        except BaseException:
            self._machine.on_sent(actuation, _now_s())  # it may have been executed nevertheless
            raise
        else:
            self._machine.on_sent(actuation, _now_s())
        finally:
            self._schedule_relay_check()

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
            case MovementResult.REVERSED:
                raise CommandFailure(RefusalReason.UNSAFE, "A person or object was in the way.")
            case MovementResult.EMERGENCY:
                raise CommandFailure(RefusalReason.UNSAFE, "An emergency occurred in the meantime.")

    async def _poll(self) -> None:
        missed = 0
        while True:
            began_s = _now_s()
            try:
                async with self._board_lock:
                    await self._read_inputs()
                    await self._check_relays()
                missed = 0
            except CommandRefusal:
                missed = 0  # the board refused: the next poll shows the consequence
            except LinkError as error:
                missed += 1
                if missed >= MAX_MISSED_POLLS or error.cause is not Cause.NO_RESPONSE:
                    self._publish(self._machine.on_link_lost())
                    raise
            await asyncio.sleep(max(0.0, began_s + self.settings.poll_s - _now_s()))

    async def _check_relays(self) -> None:
        """Check, when due, that relays are open; open one that a pulse of this driver has closed."""
        if self._relay_check_due_s is None or _now_s() < self._relay_check_due_s:
            return
        first, written, self._relay_check_due_s = self._machine.is_new, self._write_count, None
        closed = await self._opened_board.read_relays()
        if self._write_count != written or self._stops_in_progress:
            return  # another pulse has begun in the meantime, and another check is due
        stuck = any(closed[relay] for door in self.settings.doors for relay in door.relays)
        news = stuck and not self._machine.is_relay_stuck
        self._publish(self._machine.on_relays(closed=stuck, now_s=_now_s()))
        if stuck:
            self._relay_check_due_s = _now_s()
        if news and not first:
            await self._opened_board.open_all_relays()
            self._machine.on_sent(Actuation(ActuationKind.RELEASE), _now_s())

    def _schedule_relay_check(self) -> None:
        after_s = self.settings.pulse_s + self._opened_board.release_timeout_s + RELAY_CHECK_DELAY_S
        self._relay_check_due_s = _now_s() + after_s
        self._write_count += 1

    def _publish(self, step: Decision) -> None:
        """Emit the observations of a decision, and wake the commands whose movement has ended."""
        for output in step.observations:
            self._output_queue.put_nowait(output)
        status = device_state(self._machine.state(_now_s()))
        if status != self._status:
            self._status = status
            self._output_queue.put_nowait(status)
        for movement, arrival in self._waiting_movements:
            if movement.result is not None and not arrival.done():
                arrival.set_result(None)
        self._waiting_movements = [one for one in self._waiting_movements if not one[1].done()]

    @property
    def _opened_board(self) -> Board:
        assert self._board is not None
        return self._board


def _link_lost_error() -> CommandFailure:
    return CommandFailure(
        RefusalReason.LINK_FAILED, "The link was lost during the movement: the barrier may have arrived."
    )


def _now_s() -> float:
    """Return the event loop's monotonic time, in seconds."""
    return asyncio.get_running_loop().time()
