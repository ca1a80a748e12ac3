"""The driver with the simulated barrier."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from drivers.barrier.commands import OpenBarrier
from drivers.barrier.observations import BarrierState, MovementState
from drivers.command import CommandRefusal, Invocation
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from simulators.simulator import Simulator

from sample_device.board import SampleBoardSettings
from sample_device.driver import SampleDevice
from sample_device.simulator import SampleDevice as Simulated


async def test_barrier_opens_and_closes(driver: SampleDevice) -> None:
    seen: list[MovementState] = []
    opening = asyncio.create_task(_open(driver))
    async with asyncio.timeout(30), aclosing(driver.watch()) as observations:  # type: ignore[type-var]
        async for item in observations:
            if isinstance(item, BarrierState):
                seen.append(item.doors[0].state)
                if MovementState.OPEN in seen and seen[-1] is MovementState.CLOSED:
                    break
        await opening
    assert MovementState.OPENING in seen


async def _open(driver: SampleDevice) -> None:
    """Open once; movements are refused in the first seconds after the start."""
    while True:
        try:
            await driver.open_barrier(OpenBarrier(), Invocation.local())
        except CommandRefusal:
            await asyncio.sleep(0.1)
        else:
            return


async def test_unplugged_board_ends_watch(driver: SampleDevice, device: Simulator) -> None:
    with pytest.raises(LinkError):
        async with aclosing(driver.watch()) as observations:  # type: ignore[type-var]
            await device.handle_command("fault", {"fault": "unplug"})
            async for _ in observations:
                pass


@pytest.mark.parametrize(
    ("urgent", "later", "closed"),
    [(False, 1, (False, True)), (False, 0, (True, False)), (True, 1, (True, True))],
    ids=["movement and a stop", "movement and a reopening", "two stops"],
)
async def test_pulse_without_an_answer(
    device: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    urgent: bool,
    later: int,
    closed: tuple[bool, bool],
) -> None:
    """A movement is taken back, whatever was closed after it is left, and so is each urgent pulse."""
    assert isinstance(device, Simulated)
    answer = device.answer
    asked: list[asyncio.Future[None]] = []

    def once_silent(kind: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        answered = answer(kind, payload)
        if kind != b"P" or asked:
            return answered
        asked.append(asyncio.ensure_future(board.pulse_relay(later, 9.0, urgent=True)))
        return None

    links = LinkFactory()
    board = SampleBoardSettings(port=str(tmp_path / "port")).build(links)
    await board.open()
    monkeypatch.setattr(device, "answer", once_silent)
    with pytest.raises(LinkError):
        await board.pulse_relay(0, 9.0, urgent=urgent)
    await asyncio.gather(*asked)
    assert (await board.read_relays())[:2] == closed
    await board.close()
    await links.close()
