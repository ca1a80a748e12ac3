"""Loss of cable or power during a certification, by the technician, and the return of the device."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from drivers.driver import Family
from gateway.cli._certify.device import DeviceStatus
from gateway.cli._certify.device_use import POLL_S, TOUCHED, DeviceUse
from gateway.cli._certify.facts import Interruption, Moment
from gateway.cli._certify.technician import Action, Task
from gateway.cli._lib.api_client import ApiError, ApiUnavailable

POWER_NOTICED_S = 10.0
"""Wait for the report of a power cut, in seconds: without power some devices look idle."""
PULL = "Pull the plug of the device."
INSTRUCTIONS = {
    Moment.IDLE: "Wait until the device rests. Pull its plug.",
    Moment.READING: "Present a specimen and pull the plug of the device while it is read.",
    Moment.AFTER_READ: "Pull the plug of the device, at once.",
    Moment.REOPENING: PULL,
    Moment.RESTART: PULL,
    Moment.POWER_CUT: "Switch off the device's own supply for ten seconds; its cable stays. If the machine "
    "supplies it, switch off the machine, start it, and give the same command again. Skip it if neither "
    "is possible.",
}


class Losses:
    """Losses of one device, each at its moment."""

    def __init__(self, use: DeviceUse, settle_s: float) -> None:
        """Wait `settle_s` seconds for a loss, and for a return."""
        self._use, self._settle_s = use, settle_s
        self._device, self._technician, self._family = use.device, use.technician, use.family
        self._is_permitted = None if self._family is Family.BARRIER else True
        """None: a barrier, and the technician was not asked yet."""

    def interrupt(self, moment: Moment) -> None:
        """Try one loss, and note whether the device returned and worked."""
        if not self._permit() or not self._prepare(moment):
            return
        device, settle_s = self._device, self._settle_s
        plugging = Task(Action.PLUG, "Plug it in again.")
        device.worker_faults.clear()
        before = self._use.wait(lambda status: status if status.is_present else None, settle_s)
        if before is None:
            self._technician.say("    The device is not connected, so this step is left out.")
            return
        if not self._lose(moment):
            return
        noticed_s, lost = self._wait_lost(
            before, min(POWER_NOTICED_S, settle_s) if moment is Moment.POWER_CUT else settle_s
        )
        restarts = before.restarts
        if moment is Moment.REOPENING:
            again = Task(Action.PLUG_AND_PULL, "Plug it in, and pull the plug again within a second.")
            if not self._technician.do(again):
                self._technician.do(plugging)
                return
            self._use.wait(lambda status: None if status.is_present else True, settle_s)
        elif moment is Moment.RESTART:
            device.restart()
            restarts += 1
        elif moment is Moment.POWER_CUT:
            plugging = Task(Action.POWER_ON, "Switch its supply on.")
        self._technician.do(plugging)
        self._note_return(moment, restarts, noticed_s, lost)

    def _permit(self) -> bool:
        """Ask once whether a barrier may lose its board: it may move by itself then."""
        if self._is_permitted is None:
            self._is_permitted = self._technician.do(
                Task(
                    Action.ALLOW_LOSS,
                    "A board without cable or supply opens its relays: the barrier may move by itself. "
                    "Clear its way, and keep people out of it. Without your permission it is not unplugged.",
                    typed=self._device.position,
                )
            )
        return self._is_permitted

    def _prepare(self, moment: Moment) -> bool:
        """Use the device before the loss, where the moment requires it."""
        return moment is not Moment.AFTER_READ or self._use.attempt() is not None

    def _lose(self, moment: Moment) -> bool:
        """Let the technician cut cable or power; False: skipped."""
        action = Action.PULL
        if moment is Moment.POWER_CUT:
            action = Action.POWER_OFF
            self._use.update(power_cut_at_boot=self._device.post()["report"]["bootid"])
        elif moment is Moment.READING and self._family is Family.PASSPORT_READER:
            action = Action.PRESENT_AND_PULL
        text = INSTRUCTIONS[moment]
        if moment is Moment.READING and action is Action.PULL:
            with self._in_use():
                return self._technician.do(Task(action, "It is in use now. Pull its plug."))
        done = self._technician.do(Task(action, text))
        if not done and moment is Moment.POWER_CUT:
            self._use.update(power_cut_at_boot="")
        return done

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Use the device repeatedly, by self-tests that need no person."""
        level = "internal" if self._family in TOUCHED else self._use.level
        ended = threading.Event()

        def use() -> None:
            with suppress(ApiError, ApiUnavailable):
                while not ended.is_set():
                    self._device.check(level)
                    ended.wait(POLL_S)

        using = threading.Thread(target=use, name="certify use")
        using.start()
        try:
            yield
        finally:
            ended.set()
            using.join()

    def _wait_lost(self, before: DeviceStatus, limit_s: float) -> tuple[float | None, DeviceStatus]:
        """Wait until the loss is reported; returns the time, and the reported state."""
        began_s, seen = time.monotonic(), before

        def lost(status: DeviceStatus) -> DeviceStatus | None:
            nonlocal seen
            seen = status
            return status if not status.is_present or status.disconnects > before.disconnects else None

        found = self._use.wait(lost, limit_s)
        return (None if found is None else round(time.monotonic() - began_s, 2)), seen

    def _note_return(
        self, moment: Moment, restarts: int, noticed_s: float | None, lost: DeviceStatus
    ) -> None:
        """Wait for the device, use it, and note the interruption."""
        began_s = time.monotonic()
        back = self._use.wait(lambda status: status if status.is_present else None, self._settle_s)
        back_s = None if back is None else round(time.monotonic() - began_s, 2)
        works = None
        if back is not None:
            self._use.note_identity(back)
            got = self._use.attempt()
            works = None if got is None else got.is_good or self._works_now()
        seen = Interruption(
            noticed_s=noticed_s,
            cause="" if noticed_s is None or lost.is_present else lost.cause,
            text="" if noticed_s is None or lost.is_present else lost.text,
            back_s=back_s,
            works=works,
            worker_faults=self._use.worker_faults(restarts),
        )
        self._use.update(interruptions={**self._use.facts.interruptions, moment: seen}, power_cut_at_boot="")

    def _works_now(self) -> bool:
        """Return True if one of two more attempts is good: a person may have slipped."""
        return any((got := self._use.attempt()) is not None and got.is_good for _ in range(2))

    def finish_power_cut(self) -> None:
        """Finish a power cut that ended the earlier run together with the machine."""
        began_at = self._use.facts.power_cut_at_boot
        if not began_at:
            return
        if self._device.post()["report"]["bootid"] == began_at:
            self._use.update(power_cut_at_boot="")  # the machine ran on: the power cut begins anew
            return
        self._device.worker_faults.clear()
        status = self._device.poll()
        self._note_return(Moment.POWER_CUT, status.restarts, None, status)
        seen = self._use.facts.interruptions[Moment.POWER_CUT].model_copy(update={"machine_restarted": True})
        self._use.update(interruptions={**self._use.facts.interruptions, Moment.POWER_CUT: seen})
