"""Relays and inputs at a GPIO chip, through the real libgpiod: in a program under umockdev's preload."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_mock import MockerFixture
from support.patience import PATIENCE_S
from support.process import in_jail

from drivers.barrier.board import PulseEnd
from drivers.barrier.boards.gpio import GpioBoard, GpioBoardSettings
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from simulators.links.umockdev_gpio import GpioChip

SETTINGS: dict[str, Any] = {
    "model": "gpio",
    "chip": "/dev/gpiochip0",
    "outputs": [3, 4, 5],
    "inputs": [8, 9, 10],
    "released_on_kill": True,
}


class Program:
    """The program with the board."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def tell(self, what: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([what, *arguments]).encode() + b"\n")
        return await self.hear()

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await self.process.stdout.readline())


@asynccontextmanager
async def program_at(chip: GpioChip, **settings: Any) -> AsyncIterator[Program]:
    here = Path(__file__).parent
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(in_jail.PROGRAM),
        "drivers.links.gpio:GpioSettings",
        json.dumps({"chip": {**SETTINGS, **settings}["chip"]}),
        str(here / "gpio_under_umockdev.py"),
        json.dumps({**SETTINGS, **settings}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **chip.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        program = Program(process)
        chip.spare = {int(number): chip.root / node for number, node in (await program.hear()).items()}
        yield program
    finally:
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()


async def test_inputs_relays_and_pulses() -> None:
    async with GpioChip() as chip, program_at(chip) as program:
        chip.levels[8] = chip.levels[9] = True
        assert await program.tell("open") == ["pinctrl-test", False]
        assert await program.tell("read_inputs") == [False, False, True]
        await program.tell("pulse_relay", 1, 0.2)
        assert await program.tell("read_relays") == [False, True, False]
        await chip.until(lambda: len(chip.log) == 2)
        assert chip.log == [(4, True), (4, False)]
        await program.tell("pulse_relay", 0, 5)
        await program.tell("pulse_relay", 2, 5)
        await program.tell("open_all_relays")
        assert chip.levels[3:6] == [False] * 3
        await program.tell("pulse_relay", 2, 5)
        await program.tell("close")
        assert chip.levels[3:6] == [False] * 3
        assert await program.tell("open") == ["pinctrl-test", False]


async def test_active_low_relays_start_high() -> None:
    async with GpioChip(label="gpio-sim.0") as chip, program_at(chip, outputs_active="low") as program:
        assert await program.tell("open") == ["gpio-sim.0", True]
        assert chip.levels[3:6] == [True] * 3
        await program.tell("pulse_relay", 0, 5)
        assert chip.levels[3:6] == [False, True, True]
        await program.tell("close")


async def test_kill_releases_the_lines() -> None:
    async with GpioChip() as chip, program_at(chip) as program:
        await program.tell("open")
        await program.tell("pulse_relay", 0, 60)
        assert chip.levels[3]
        program.process.send_signal(signal.SIGKILL)
        await chip.until(lambda: not chip.levels[3])


async def test_barrier_driver_reads_and_stops() -> None:
    wired = {"doors": [{"open": 0, "stop": 2, "open_limit": 0, "closed_limit": 1}], "emergency": 2}
    async with GpioChip() as chip, program_at(chip, inputs_active="high", bias="pull-down") as program:
        chip.levels[9] = chip.levels[10] = True  # at its closed limit, no emergency
        assert await program.tell("barrier", wired) == ["closed", True]
        await chip.until(lambda: len(chip.log) == 1)
        await program.tell("close")
        assert chip.log == [(5, True), (5, False)]


async def test_unavailable_lines_have_a_remedy() -> None:
    async with GpioChip() as chip:
        async with program_at(chip) as holder:
            await holder.tell("open")
            spare = chip.spare
            async with program_at(chip) as other:
                assert (await other.tell("open"))["error"] == Cause.PORT_HELD
            chip.spare = spare
            chip.gone = True
            for doing in (["read_inputs"], ["read_relays"], ["pulse_relay", 0, 0.1]):
                assert (await holder.tell(*doing))["error"] == Cause.UNPLUGGED
            chip.gone = False
        async with program_at(chip, inputs=[40]) as program:
            refused = await program.tell("open")
            assert refused["error"] == Cause.WRONG_DEVICE
            assert "gpioinfo" in refused["how"]
        assert chip.log == []


@pytest.mark.parametrize(
    ("chip", "cause"),
    [("/dev/gpiochip9", Cause.NO_DEVICE), ("/dev/null", Cause.WRONG_DEVICE)],
)
async def test_what_is_no_chip_has_a_remedy(chip: str, cause: Cause) -> None:
    links = LinkFactory()
    with pytest.raises(LinkError) as error:
        await GpioBoard(GpioBoardSettings.model_validate({**SETTINGS, "chip": chip}), links).open()
    await links.close()
    assert error.value.cause is cause
    assert "`chip`" in error.value.how


async def test_missing_library_names_the_extra(mocker: MockerFixture) -> None:
    mocker.patch.dict(sys.modules, {"gpiod": None})
    with pytest.raises(LinkError) as error:
        await GpioBoard(GpioBoardSettings.model_validate(SETTINGS), LinkFactory()).open()
    assert "[gpio]" in error.value.how


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"released_on_kill": False}, "write `released_on_kill = true`"),
        ({"inputs": [3]}, "line 3 is named twice"),
        ({"chip": "gpiochip0"}, "pattern"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        GpioBoardSettings.model_validate({**SETTINGS, **settings})


def test_pulse_end_is_as_configured() -> None:
    stated = GpioBoardSettings.model_validate(SETTINGS).build(LinkFactory())
    assert (stated.pulse_end, stated.release_timeout_s) == (PulseEnd.WATCHDOG, 0.1)
    given = {**SETTINGS, "released_on_kill": False, "time_relay_s": 0.9}
    relay = GpioBoardSettings.model_validate(given).build(LinkFactory())
    assert (relay.pulse_end, relay.release_timeout_s) == (PulseEnd.BOARD_TIMED, 0.9)
