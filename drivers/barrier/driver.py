"""The driver that every barrier is: it reads the inputs on and on, and does what the machine lets it do.

A driver of one kind of board derives from `BarrierDriver`, has settings that derive from `BarrierSettings`,
and writes `board`. Nothing is written to relays when it opens or closes but what `Board.close` lets go of; no
write is repeated, whatever becomes of it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from typing import ClassVar, TypeVar

from drivers.barrier.board import Board, DeviceRefused
from drivers.barrier.commands import Acknowledge, CloseBarrier, Maintain, Moved, OpenBarrier, Stopped
from drivers.barrier.control.movement import Ending, Travel
from drivers.barrier.control.state_machine import Act, Deed, Machine, Step
from drivers.barrier.device_state import ONLINE, standing
from drivers.barrier.observations import BarrierAlarm, BarrierPassage, BarrierState
from drivers.barrier.self_test import plausible
from drivers.barrier.wiring import BarrierSettings
from drivers.command import Call, Done, Failed, Reason, Refused, Request, command
from drivers.driver import Driver, Family, Identity, Status
from drivers.links.factory import Links
from drivers.links.link import Action, Cause, LinkError
from drivers.observation import Observation, Outcome
from drivers.self_test import CheckLevel, CheckStep, Trial

POLLS_MISSED = 3
"""So many polls in a row without an answer, and the link has failed."""
LOOK_AFTER_S = 0.1
"""So long after a pulse has surely ended its relay is looked at."""

Said = Observation | Status
SettingsT = TypeVar("SettingsT", bound=BarrierSettings)


class BarrierDriver(Driver[SettingsT]):
    """A barrier, or a gate of two doors, that hangs on a board of relays and inputs."""

    family = Family.BARRIER
    scrubber = "drivers.anonymize.anonymizer:nobody"
    says: ClassVar[tuple[type[Observation], ...]] = (BarrierState, BarrierPassage, BarrierAlarm)
    checks = (CheckLevel.INTERNAL,)

    def __init__(self, settings: SettingsT, links: Links) -> None:
        super().__init__(settings, links)
        self._board: Board | None = None
        self._wire = asyncio.Lock()
        """Held from sensing to writing: nothing but a stop comes between the two."""
        self._said: asyncio.Queue[Said | asyncio.Task[None]] = asyncio.Queue()
        self._waiting: list[tuple[Travel, asyncio.Future[None]]] = []
        self._ended = False
        self._status = ONLINE
        self._stops = 0
        """How often it was stopped."""
        self._being_stopped = 0
        self._written = 0
        """How often something was written to the relays."""
        self._look_at_s: float | None = None
        """When the relays are looked at next."""

    @abstractmethod
    def board(self) -> Board:
        """The board that it hangs on, not opened yet."""

    async def open(self) -> Identity:
        """Find out which board answers, by reading; LinkError also for one that no barrier may hang on."""
        self._board = board = self.board()
        identity = await board.open()
        if (objection := self.settings.objection(board)) is not None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"This barrier must not hang on this board: {objection}.",
                Action.CONFIGURE,
                "Correct the barrier's wiring in the post's file, or take another board.",
            )
        self._machine = Machine(self.settings, _now_s())
        self._look_at_s = _now_s()
        return identity

    async def watch(self) -> AsyncIterator[Said]:
        """Yield how it stands, who passes, what should alarm somebody; LinkError after three missed polls."""
        polling = asyncio.create_task(self._poll_on())
        polling.add_done_callback(self._said.put_nowait)
        try:
            while not isinstance(said := await self._said.get(), asyncio.Task):
                yield said
            await said
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            self._ended = True
            for _, arrival in self._waiting:
                if not arrival.done():
                    arrival.set_exception(_lost())
            self._waiting.clear()

    async def check(self, _trial: Trial) -> AsyncGenerator[CheckStep]:
        """Look at the inputs. A boom is moved by whoever has claimed it, and by no check."""
        async with self._wire:
            began_s = _now_s()
            sensed = self.settings.sensed(await self._to_board.sense())
            took_ms = 1000 * (_now_s() - began_s)
        for step in plausible(self.settings, sensed, took_ms):
            yield step
        stuck = self._machine.relay_closed
        yield CheckStep(
            name="relays",
            outcome=Outcome.FAILED if stuck else Outcome.SUCCESSFUL,
            text="A relay is closed that should be open."
            if stuck
            else "All relays are open, as they should be.",
            action="replace" if stuck else "none",
        )

    async def close(self) -> None:
        """Let go of the board; see `Board.close`."""
        if self._board is not None:
            await self._board.close()

    @command(moves=True, verb="open")
    async def open_barrier(self, request: OpenBarrier, call: Call) -> Moved:
        """Have it opened for one passage; answers when it is sensed to be open."""
        return await self._move(request, call)

    @command(moves=True, verb="close")
    async def close_barrier(self, request: CloseBarrier, call: Call) -> Moved:
        """Have it closed, where nobody is in the way; answers when it is sensed to be closed."""
        return await self._move(request, call)

    @command(moves=True, urgent=True)
    async def stop(self, _request: Request, _call: Call) -> Stopped:
        """Have it stopped, in whatever state it is; what else was asked for is called off."""
        self._stops += 1
        self._being_stopped += 1
        self._take(self._machine.stopped(_now_s()))
        relays = [door.stop for door in self.settings.doors if door.stop is not None]
        try:
            for relay in relays:
                await self._to_board.pulse(relay, self.settings.pulse_s, urgent=True)
            if not relays:
                await self._to_board.release()
                self._machine.sent(Act(Deed.RELEASE), _now_s())
        except DeviceRefused as refused:
            raise Failed(Reason.DEVICE_REFUSED, "The board would not.") from refused
        finally:
            self._being_stopped -= 1
            self._look_later()
        return Stopped(contact=bool(relays))

    @command(moves=True)
    async def acknowledge(self, request: Acknowledge, call: Call) -> Done:
        """Say, as a person who has looked, that an emergency is over; it may be closed again then."""
        before = self._called_off
        async with self._wire:
            await self._decide(request, call, before)
        return Done()

    @command(moves=True)
    async def maintenance(self, request: Maintain, call: Call) -> Done:
        """Begin, prolong or end a technician's lease, under which commands move nothing."""
        before = self._called_off
        async with self._wire:
            await self._decide(request, call, before)
        return Done()

    async def _move(self, request: OpenBarrier | CloseBarrier, call: Call) -> Moved:
        before = self._called_off
        async with self._wire:
            step = await self._decide(request, call, before)
            if step.act is not None:
                await self._do(step.act)
        travel = step.travel
        if travel is not None:
            await self._arrival(travel)
        door = next(door for door in self._machine.doors if door.name == request.door)
        took_s = 0.0 if travel is None else travel.ended_s - travel.asked_s
        return Moved(state=door.state, took_s=max(0.0, round(took_s, 2)))

    @property
    def _called_off(self) -> tuple[int, int]:
        """How often all that was asked for was called off: by stops, by emergencies."""
        return self._stops, self._machine.emergencies

    async def _decide(self, request: Request, call: Call, before: tuple[int, int]) -> Step:
        """Ask the machine, by what is sensed at this moment; the wire is held.

        `before`: how often everything was called off when this command came.
        """
        try:
            await self._sense()
        except LinkError as error:
            raise Refused(Reason.LINK_FAILED, f"Nothing was asked of it: {error.text}") from error
        stops, emergencies = before
        if self._stops != stops or self._being_stopped:
            raise Refused(Reason.CANCELLED, "It was stopped meanwhile.")
        if self._machine.emergencies != emergencies:
            raise Refused(Reason.UNSAFE, "An emergency came in between.")
        if call.left_s <= 0:
            raise Refused(Reason.EXPIRED, "The command came too late.")
        step = self._machine.asked(request, call.transaction, _now_s())
        self._take(step)
        return step

    async def _sense(self) -> None:
        """Read the inputs, and do at once what the machine has to do about them; the wire is held."""
        asked_s = _now_s()
        step = self._machine.sensed(self.settings.sensed(await self._to_board.sense()), asked_s)
        self._take(step)
        if step.act is not None and not self._being_stopped:
            await self._do(step.act)

    async def _do(self, act: Act) -> None:
        """Write one thing to the board, once."""
        board, door = self._to_board, self.settings.doors[act.door]
        try:
            match act.deed:
                case Deed.OPEN:
                    await board.pulse(door.open, self.settings.pulse_s)
                case Deed.CLOSE if door.close is not None:
                    await board.pulse(door.close, self.settings.pulse_s)
                case _:
                    await board.release()
        except DeviceRefused as refused:
            self._machine.refused(act, _now_s())
            raise Refused(Reason.DEVICE_REFUSED, "The board would not.") from refused
        except BaseException:
            self._machine.sent(act, _now_s())  # it may have been done all the same
            raise
        else:
            self._machine.sent(act, _now_s())
        finally:
            self._look_later()

    async def _arrival(self, travel: Travel) -> None:
        """Wait until a movement has ended; raises Failed where it did not arrive."""
        if self._ended:
            raise _lost()
        if travel.ending is None:
            arrival = asyncio.get_running_loop().create_future()
            self._waiting.append((travel, arrival))
            await arrival
        match travel.ending:
            case Ending.NOT_STARTED:
                raise Failed(Reason.TIMED_OUT, "It has not begun to move.")
            case Ending.NOT_ARRIVED:
                raise Failed(Reason.TIMED_OUT, "It has not arrived in time.")
            case Ending.STOPPED:
                raise Failed(Reason.CANCELLED, "It was stopped.")
            case Ending.REVERSED:
                raise Failed(Reason.UNSAFE, "Somebody was in the way.")
            case Ending.EMERGENCY:
                raise Failed(Reason.UNSAFE, "An emergency came in between.")

    async def _poll_on(self) -> None:
        missed = 0
        while True:
            began_s = _now_s()
            try:
                async with self._wire:
                    await self._sense()
                    await self._look_at_relays()
                missed = 0
            except Refused:
                missed = 0  # the board would not: the next poll shows what comes of it
            except LinkError as error:
                missed += 1
                if missed >= POLLS_MISSED or error.cause is not Cause.NO_ANSWER:
                    self._take(self._machine.lost())
                    raise
            await asyncio.sleep(max(0.0, began_s + self.settings.poll_s - _now_s()))

    async def _look_at_relays(self) -> None:
        """Look, when that is due, whether relays are open that should be; one that we closed is let go of."""
        if self._look_at_s is None or _now_s() < self._look_at_s:
            return
        first, written, self._look_at_s = self._machine.is_new, self._written, None
        closed = await self._to_board.closed_relays()
        if self._written != written or self._being_stopped:
            return  # another pulse has begun meanwhile, and another look is due
        stuck = any(closed[relay] for door in self.settings.doors for relay in door.relays)
        news = stuck and not self._machine.relay_closed
        self._take(self._machine.relays(closed=stuck, now_s=_now_s()))
        if stuck:
            self._look_at_s = _now_s()
        if news and not first:
            await self._to_board.release()
            self._machine.sent(Act(Deed.RELEASE), _now_s())

    def _look_later(self) -> None:
        after_s = self.settings.pulse_s + self._to_board.released_within_s + LOOK_AFTER_S
        self._look_at_s = _now_s() + after_s
        self._written += 1

    def _take(self, step: Step) -> None:
        """Let `watch` yield what a step says, and tell those who wait for a movement that has ended."""
        for said in step.says:
            self._said.put_nowait(said)
        status = standing(self._machine.condition(_now_s()))
        if status != self._status:
            self._status = status
            self._said.put_nowait(status)
        for travel, arrival in self._waiting:
            if travel.ending is not None and not arrival.done():
                arrival.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    @property
    def _to_board(self) -> Board:
        assert self._board is not None
        return self._board


def _lost() -> Failed:
    return Failed(Reason.LINK_FAILED, "The link was lost while it moved: it may have arrived.")


def _now_s() -> float:
    """Seconds of the clock that nobody sets."""
    return asyncio.get_running_loop().time()
