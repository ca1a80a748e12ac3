"""A barrier on the lines of a GPIO chip: the real libgpiod, and a thread that answers its ioctls.

umockdev's preload library turns the ioctls into messages, so the process must have been started with it; see
`preloaded`. An ioctl blocks the worker's loop while the thread answers it, as Linux does, and no virtual time
passes. What follows from it at the machine happens in the rig's loop, at the same virtual time.

Not real: the kernel's GPIO subsystem and the chip's driver. Lines go low when their holder closes or dies.
"""

import asyncio
import atexit
import contextlib
import errno
import functools
import os
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from simulators.barrier.boards.relays import RelayBank
from simulators.barrier.mechanics.barrier import MechanicsSettings
from simulators.barrier.site import BarrierSite, FaultPlan
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import Cause, Effect, FrameFate, WireLog
from simulators.barrier.wiring import WiringSettings
from simulators.errors import SimulatorError
from simulators.faults import Fault, Unplug
from simulators.links.umockdev_gpio import (
    GET_LINES,
    GET_VALUES,
    SET_VALUES,
    SPARE_NODES,
    Caller,
    GpioChip,
    IoctlError,
)
from simulators.links.umockdev_ioctl import PRELOAD

CHIP = "/dev/gpiochip0"
OUTPUTS, INPUTS = tuple(range(8)), tuple(range(8, 16))
"""Lines of the chip, by offset."""
PATIENCE_S = 20.0
STEP_S = 0.001


def is_preloaded() -> bool:
    """Return whether this process was started under the preload library."""
    return PRELOAD in os.environ.get("LD_PRELOAD", "") and "UMOCKDEV_DIR" in os.environ


def preloaded() -> dict[str, str]:
    """Return the environment of a process that has such a chip; its folder is left to the caller."""
    return {**os.environ, "LD_PRELOAD": PRELOAD, "UMOCKDEV_DIR": tempfile.mkdtemp(prefix="gpio-")}


class GpioSettings(WiringSettings):
    """The wires of the lines, and the barrier behind them."""

    mechanics: MechanicsSettings = MechanicsSettings()


class GpioLines:
    """Relays and inputs at the lines."""

    def __init__(self, timeline: Timeline, log: WireLog) -> None:
        self.unit = 1
        self.is_powered = True
        self.relays = RelayBank(self.unit, len(OUTPUTS), timeline, log)
        self.inputs = len(INPUTS)
        self.sense: Callable[[int], bool] = lambda _channel: False

    def on_input_changed(self, channel: int, closed: bool) -> None:
        """Handle a circuit that has closed or opened; it is read on request."""

    def on_power_lost(self) -> None:
        """Handle a loss of supply, which is the machine's own."""

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""


class ThreadedChip(GpioChip):
    """The chip, in a thread with a loop of its own. `site` takes what happens at it."""

    site: "GpioSite"

    def level(self, offset: int) -> bool:
        """Return the level of a line: an input is pulled up, and low while its circuit is closed."""
        if offset in INPUTS:
            return not self.site.lines.sense(INPUTS.index(offset))
        return self.levels[offset]

    async def _take(self, caller: Caller, argument: int) -> int:
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                descriptor = await super()._take(caller, argument)
            except IoctlError as refused:
                # The lines that a holder has closed come back a moment later.
                if refused.number != errno.EBUSY or time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(STEP_S)
            else:
                self.site.on_requested()
                return descriptor

    async def _held(self, name: str, caller: Caller, request: int, argument: int) -> None:
        if (taken := self._taken.get(name)) is None:
            raise IoctlError(errno.ENODEV)
        bits, mask = struct.unpack("QQ", await caller.read(argument, 16))
        if request == SET_VALUES:
            self._put_out(taken, bits, mask)
        elif request == GET_VALUES:
            active = [self.level(offset) != taken.active_low for offset in taken.offsets]
            bits = sum(on << n for n, on in enumerate(active)) & mask
            caller.write(argument, struct.pack("QQ", bits, mask))
        self.site.on_ioctl(request, bits, mask, is_output=taken.output)

    def _give_back(self, name: str, caller: Caller) -> None:
        was_output = name in self._taken and self._taken[name].output
        self.site.forget(name)
        super()._give_back(name, caller)
        if was_output:
            self.site.on_released()

    def drop(self) -> None:
        """Take every line away, as when the chip is unplugged."""
        for name in list(self._taken):
            self._taken.pop(name)
        self.levels[: len(OUTPUTS)] = [False] * len(OUTPUTS)


@functools.cache
def _chip_of_this_process() -> ThreadedChip:
    """Start the chip, once: it remains until the process ends."""
    chip = ThreadedChip(root=Path(os.environ["UMOCKDEV_DIR"]))
    is_ready = threading.Event()

    async def serve() -> None:
        async with chip:
            is_ready.set()
            await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    if not is_ready.wait(PATIENCE_S):
        raise SimulatorError("the chip does not start")
    atexit.register(shutil.rmtree, chip.root, ignore_errors=True)
    return chip


class GpioSite(BarrierSite):
    """The barrier and its chip."""

    def __init__(self, settings: GpioSettings, timeline: Timeline, log: WireLog) -> None:
        if not is_preloaded():
            raise SimulatorError("a GPIO chip needs umockdev's preload library; see `preloaded`")
        self.lines = GpioLines(timeline, log)
        self.settings = settings
        super().__init__(settings.mechanics, [(self.lines, settings)], timeline, log)
        self.chip = _chip_of_this_process()
        self.chip.site, self.chip.gone = self, False
        self.chip.levels = [False] * self.chip.lines
        self._requests = 0
        self._spare: dict[int, str] = {}
        """Descriptors of this process that may become lines, and their nodes."""

    @property
    def address(self) -> str:
        """See `BarrierSite`."""
        return CHIP

    def on_power_lost(self) -> None:
        """See `BarrierSite`."""

    def on_power_restored(self) -> None:
        """See `BarrierSite`."""

    def plan(self, fault: Fault) -> FaultPlan:
        """See `BarrierSite.plan`; the chip can be unplugged, and has no other faults of a board."""
        if isinstance(fault, Unplug):
            return FaultPlan(self._unplug, self._replug)
        if getattr(fault, "of", "") in ("all", "boards"):
            raise SimulatorError("the supply of a chip is that of its machine")
        return super().plan(fault)

    def _unplug(self) -> None:
        self.chip.gone = True
        self.chip.drop()
        self.lines.relays.release(Cause.POWER)

    def _replug(self) -> None:
        self.chip.gone = False
        self.prepare()  # the process requests its lines again, and each request takes a node

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """See `BarrierSite`."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            for descriptor in self.chip.spare:
                os.close(descriptor)
            self.chip.spare.clear()

    # The gateway's process.

    def prepare(self) -> None:
        """Open nodes that may become lines, of the next process or of this one when the chip is back."""
        used = {name for name in self.chip._taken} | {path.name for path in self.chip.spare.values()}  # noqa: C416
        for n in range(SPARE_NODES):
            if (name := f"gpiolines{n}") not in used:
                descriptor = os.open(f"/dev/{name}", os.O_RDWR)
                self.chip.spare[descriptor] = Path(name)
                self._spare[descriptor] = name

    def forget(self, name: str) -> None:
        """Forget the descriptor of a node that was closed: its number may belong to another file by now."""
        self._spare = {descriptor: other for descriptor, other in self._spare.items() if other != name}

    def on_killed(self) -> list[int]:
        """Close the lines of the dead process, and wait until they are free; return their descriptors."""
        taken = set(self.chip._taken)
        held = [descriptor for descriptor, name in self._spare.items() if name in taken]
        for descriptor in held:
            os.close(descriptor)
        deadline_s = time.perf_counter() + PATIENCE_S
        while taken & set(self.chip._taken) and time.perf_counter() < deadline_s:
            time.sleep(STEP_S)
        return held

    # What happens at the chip: called by its thread, and logged in the rig's loop.

    def _later(self, what: Callable[..., Any], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the trial is over, and its loop is closed
            self._loop.call_soon_threadsafe(what, *arguments)

    def on_requested(self) -> None:
        """Note that lines were requested; outputs start inactive."""
        self._later(self._requested)

    def on_released(self) -> None:
        """Note that the holder of the outputs has closed them, or is dead."""
        self._later(self.lines.relays.release, Cause.WATCHDOG)

    def on_ioctl(self, request: int, bits: int, mask: int, *, is_output: bool) -> None:
        """Note an ioctl on lines."""
        self._later(self._log_ioctl, request, bits, mask, is_output)

    def _requested(self) -> None:
        self._requests += 1
        self._log(b"L" + struct.pack("<I", GET_LINES), "lines requested", Effect.NONE, b"")

    def _log_ioctl(self, request: int, bits: int, mask: int, is_output: bool) -> None:
        head = (b"O" if is_output else b"I") + struct.pack("<I", request)
        body = struct.pack("<QQ", bits, mask)
        if request != SET_VALUES:
            self._log(head, "values read", Effect.NONE, head + body)
            return
        effect = Effect.ENERGISE if bits & mask else Effect.RELEASE
        number = self._log(head + body, f"outputs {bits:#x} of {mask:#x}", effect, head)
        for relay in range(len(OUTPUTS)):
            if mask >> relay & 1:
                self.lines.relays.set(relay, bool(bits >> relay & 1), Cause.COMMAND, number)

    def _log(self, wire: bytes, meaning: str, effect: Effect, answer: bytes) -> int:
        number = self.log.frame(
            direction="request",
            fate=FrameFate.RECEIVED,
            wire=wire,
            connection=(self._requests + 1) // 2,
            meaning=meaning,
            effect=effect,
        ).number
        self.log.frame(
            direction="response",
            fate=FrameFate.SENT,
            wire=answer,
            connection=(self._requests + 1) // 2,
            meaning="done",
            answers=number,
        )
        return number


def run_again(module: str) -> None:
    """Run this program again under the preload library, unless it runs under it already."""
    if not is_preloaded():
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], preloaded())
