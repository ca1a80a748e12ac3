"""Numato and LCUS: no command twice, each response for its own request, pulse ends as declared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from board_fixture import WITHIN_S
from pytest_mock import MockerFixture
from serial.tools.list_ports_common import ListPortInfo

from drivers.barrier.board import Board, BoardRefused, PulseEnd
from drivers.barrier.boards.lcus import LcusSettings, frame
from drivers.barrier.boards.numato import NumatoSettings
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from simulators.barrier.bus_faults import DuplicatedReply, LateReply, LostReply, LostRequest
from simulators.barrier.faults import BoardsHung, SlowBus
from simulators.barrier.serial_site import SerialSettings, SerialSite
from simulators.barrier.timeline import RealClock
from simulators.barrier.wirelog import Effect, FrameFate, WireLog
from simulators.faults import Noise, Unplug

INPUTS = {"open-limit": 0, "closed-limit": 1, "approach": 2, "photocell": 3}
AT_REST = (False, True, False, True)


@asynccontextmanager
async def site_at(path: Path, model: str, **more: Any) -> AsyncIterator[SerialSite]:
    timeline = RealClock()
    settings = SerialSettings.model_validate(
        {
            "path": path,
            "model": model,
            "outputs": {"open": 0, "close": 1, "stop": 2},
            "inputs": INPUTS if model == "numato" else {},
            **more,
        }
    )
    with WireLog(timeline) as log:
        site = SerialSite(settings, timeline, log)
        async with site.connected():
            yield site


def board_of(site: SerialSite, links: LinkFactory, **more: Any) -> Board:
    given: dict[str, Any] = {"port": site.address, "model": site.settings.model, "relays": 4, **more}
    if given["model"] == "lcus":
        return LcusSettings.model_validate(given).build(links)
    return NumatoSettings.model_validate({"inputs": 4, "response_timeout_s": 1, **given}).build(links)


@asynccontextmanager
async def opened(site: SerialSite, **more: Any) -> AsyncIterator[Board]:
    links = LinkFactory()
    board = board_of(site, links, **more)
    try:
        await board.open()
        yield board
    finally:
        await board.close()
        await links.close()


@pytest.fixture
async def numato(tmp_path: Path) -> AsyncIterator[SerialSite]:
    async with site_at(tmp_path / "numato", "numato") as site:
        yield site


@pytest.fixture
async def lcus(tmp_path: Path) -> AsyncIterator[SerialSite]:
    async with site_at(tmp_path / "lcus", "lcus") as site:
        yield site


async def failed(doing: Any) -> LinkError:
    with pytest.raises(LinkError) as error:
        await doing
    assert error.value.text
    assert error.value.how
    return error.value


# Numato.


async def test_identity_without_writing(numato: SerialSite) -> None:
    links = LinkFactory()
    board = board_of(numato, links)
    identity = await board.open()
    await links.close()
    assert (identity.serial_number, identity.firmware) == ("SIM00001", "00000008")
    assert links.is_simulated
    assert {one.effect for one in numato.log.requests} == {Effect.NONE}


async def test_half_a_foreign_command_is_not_executed(numato: SerialSite) -> None:
    with numato.settings.path.open("wb", buffering=0) as port:
        port.write(b"relay on 1")
        await numato.line.wait_for_bytes(b"relay on 1")
        async with opened(numato) as board:
            assert not any(await board.read_relays())
    assert not numato.log.actuations


async def test_inputs_and_relays_at_their_addresses(numato: SerialSite) -> None:
    async with opened(numato) as board:
        assert await board.read_inputs() == AT_REST
        await board.pulse_relay(3, 0.2)
        assert await board.read_relays() == (False, False, False, True)
    async with opened(numato, closed_level=0) as board:
        assert await board.read_inputs() == tuple(not one for one in AT_REST)


async def test_pulse_is_two_commands(numato: SerialSite) -> None:
    async with opened(numato) as board:
        await board.pulse_relay(2, 0.2)
        await numato.log.until(lambda: len(numato.log.contacts) == 2)
        await board.read_relays()
    assert [one.wire for one in numato.log.output_writes] == [b"relay on 2\r", b"relay off 2\r"]


async def test_unanswered_command_is_sent_once_and_ends(numato: SerialSite) -> None:
    async with opened(numato, response_timeout_s=WITHIN_S) as board:
        numato.inject(LostReply(of="writes"))
        assert (await failed(board.pulse_relay(0, 0.1))).cause is Cause.NO_RESPONSE
        await numato.log.until(lambda: len(numato.log.contacts) == 2)
    assert len(numato.log.actuations) == 1


async def test_unconfirmed_opening_is_repeated(numato: SerialSite) -> None:
    async with opened(numato, response_timeout_s=WITHIN_S) as board:
        await board.pulse_relay(0, 0.1)
        numato.inject(LostRequest(of="writes"))
        await numato.log.until(lambda: len(numato.log.contacts) == 2)
        assert await board.read_inputs()
    assert [one.wire for one in numato.log.releases] == [b"relay off 0\r"] * 2


async def test_late_or_double_responses_are_ignored(numato: SerialSite) -> None:
    async with opened(numato, response_timeout_s=WITHIN_S) as board:
        numato.inject(LateReply(delay_s=WITHIN_S * 1.5))
        await failed(board.read_relays())  # its answer, none closed, is under way
        assert await board.read_inputs()
        await board.pulse_relay(3, 5)
        assert await board.read_relays() == (False, False, False, True)
        numato.inject(DuplicatedReply(copies=3))
        assert (await board.read_relays())[3]
        await board.open_all_relays()
        assert not any(await board.read_relays())


async def test_noise_between_responses_is_ignored(numato: SerialSite) -> None:
    async with opened(numato) as board:
        numato.inject(Noise(size=20))
        assert await board.read_inputs() == AT_REST


async def test_stop_has_priority_and_release_cancels(numato: SerialSite) -> None:
    async with opened(numato) as board:
        numato.inject(SlowBus(delay_s=0.05))
        before = len(numato.log.requests)
        waiting = [asyncio.ensure_future(board.read_inputs()) for _ in range(5)]
        opening = asyncio.ensure_future(board.pulse_relay(0, 0.2))
        await numato.log.until(lambda: len(numato.log.requests) > before)
        await board.pulse_relay(2, 0.1, urgent=True)
        assert numato.log.requests[before + 1].wire == b"relay on 2\r"
        await board.open_all_relays()
        with pytest.raises(BoardRefused):
            await opening
        for one in waiting:
            one.cancel()
    assert len(numato.log.actuations) == 1


@pytest.mark.parametrize("kind", ["numato", "lcus"])
async def test_an_unplugged_board_is_told(kind: str, numato: SerialSite, lcus: SerialSite) -> None:
    site = numato if kind == "numato" else lcus
    async with opened(site) as board:
        site.inject(Unplug())
        error = await failed(board.read_inputs())
        assert (error.cause, error.action) == (Cause.UNPLUGGED, Action.REPLUG)
        assert (await failed(board.pulse_relay(0, 0.1))).cause is Cause.UNPLUGGED


async def test_silence_is_told_with_a_remedy(numato: SerialSite) -> None:
    numato.inject(BoardsHung())
    links = LinkFactory()
    error = await failed(board_of(numato, links, response_timeout_s=0.05).open())
    await links.close()
    assert (error.cause, error.action) == (Cause.NO_RESPONSE, Action.REPLUG)


@pytest.mark.parametrize("more", [{"relays": 16}, {"inputs": 8}])
async def test_other_relay_or_input_count_is_refused(numato: SerialSite, more: dict[str, int]) -> None:
    with pytest.raises(LinkError) as error:
        async with opened(numato, **more) as board:
            await board.read_inputs()
    assert (error.value.cause, error.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert error.value.text.startswith(f"The device at {numato.address} is not this module: ")


async def test_relay_left_closed_is_released(numato: SerialSite) -> None:
    numato.board.relays.set(1, True, cause=None)  # type: ignore[arg-type]
    async with opened(numato) as board:
        assert not any(await board.read_relays())
    assert [one.wire for one in numato.log.output_writes] == [b"relay writeall 0\r"]


async def test_relay_that_stays_closed_is_refused(numato: SerialSite) -> None:
    numato.board.relays.set(1, True, cause=None)  # type: ignore[arg-type]
    numato.inject(LostRequest(of="writes", exchanges=100))
    links = LinkFactory()
    error = await failed(board_of(numato, links, response_timeout_s=0.1).open())
    assert error.cause is Cause.NO_RESPONSE
    assert "dtr = false" in error.how, "a board that its port resets is silent too"
    await links.close()
    numato.clear_faults()
    async with opened(numato) as board:
        assert not any(await board.read_relays())


# LCUS.


def test_the_frames_of_the_makers_sheet() -> None:
    assert frame(0, True) == bytes.fromhex("a00101a2")
    assert frame(0, False) == bytes.fromhex("a00100a1")


async def test_an_lcus_pulse_is_two_frames(lcus: SerialSite) -> None:
    async with opened(lcus) as board:
        await board.pulse_relay(1, 0.1)
        assert await board.read_relays() == (False, True, False, False)
        await lcus.log.until(lambda: len(lcus.log.contacts) == 2)
        assert await board.read_inputs() == ()
    opening = [frame(relay, False) for relay in range(4)]
    assert [one.wire for one in lcus.log.requests] == [*opening, frame(1, True), frame(1, False)]


async def test_an_lcus_release_opens_all(lcus: SerialSite) -> None:
    async with opened(lcus) as board:
        await board.pulse_relay(0, 5)
        await board.pulse_relay(1, 5)
        await board.open_all_relays()
        await lcus.log.until(lambda: len(lcus.log.contacts) == 4)
        assert not any(await board.read_relays())
        # at the start and for the release all four; two pulses; both of them opened once more
        await lcus.log.until(lambda: len(lcus.log.requests) == 4 + 4 + 2 + 2)


async def test_lost_lcus_release_is_repeated(lcus: SerialSite) -> None:
    async with opened(lcus) as board:
        await board.pulse_relay(1, 0.1)
        await lcus.log.until(lambda: len(lcus.log.contacts) == 1)
        lcus.inject(LostRequest())
        await lcus.log.until(lambda: lcus.log.requests[-1].fate is FrameFate.NOT_RECEIVED)
        await board.read_relays()
        await lcus.log.until(lambda: len(lcus.log.contacts) == 2)


@pytest.mark.parametrize("urgent", [True, False])
async def test_lost_lcus_stop_is_repeated(lcus: SerialSite, urgent: bool) -> None:
    """Repeat a lost stop and a lost reopening (`urgent`), but no lost movement."""
    async with opened(lcus) as board:
        await lcus.log.until(lambda: len(lcus.log.requests) == 4)
        lcus.inject(LostRequest())
        await board.pulse_relay(2, 5, urgent=urgent)
        for _ in range(2):
            await board.read_relays()
        await board.open_all_relays()
        await board.read_relays()
        # at the start and for the release all four; the pulse, and its end once more
        await lcus.log.until(lambda: len(lcus.log.requests) == 4 + 4 + 2 + (2 if urgent else 0))
    closing = [one.fate for one in lcus.log.requests if one.wire == frame(2, True)]
    assert closing == [FrameFate.NOT_RECEIVED, *[FrameFate.RECEIVED] * (2 if urgent else 0)]
    assert len(lcus.log.contacts) == (2 if urgent else 0)


async def test_lcus_stop_ends_a_repeated_reopening(lcus: SerialSite) -> None:
    async with opened(lcus) as board:
        await board.pulse_relay(0, 5, urgent=True)
        await asyncio.sleep(0.05)
        await board.pulse_relay(2, 5, urgent=True)
        await board.read_relays()
        await lcus.log.until(lambda: len(lcus.log.requests) == 4 + 3)
    closing = [one.wire for one in lcus.log.requests if one.effect is Effect.ENERGISE]
    assert closing == [frame(0, True), frame(2, True), frame(2, True)]


# Both.


@pytest.mark.parametrize("kind", ["numato", "lcus"])
async def test_closing_opens_relays_of_pulses(kind: str, numato: SerialSite, lcus: SerialSite) -> None:
    site = numato if kind == "numato" else lcus
    async with opened(site) as board:
        await board.pulse_relay(0, 5)
    await site.log.until(lambda: len(site.log.contacts) == 2)


@pytest.mark.parametrize(("kind", "model"), [("numato", "8 Channel USB Relay Module"), ("lcus", "LCUS-4")])
async def test_port_on_usb_identifies(
    kind: str, model: str, numato: SerialSite, lcus: SerialSite, mocker: MockerFixture
) -> None:
    site = numato if kind == "numato" else lcus
    port = ListPortInfo(site.address)
    port.serial_number, port.product = "NLRL0123", "8 Channel USB Relay Module"
    mocker.patch("drivers.links.serial.find_port", return_value=(site.address, port))
    links = LinkFactory()
    identity = await board_of(site, links).open()
    await links.close()
    assert (identity.model, identity.serial_number) == (model, "NLRL0123")


@pytest.mark.parametrize("kind", ["numato", "lcus"])
def test_only_a_time_relay_ends_pulses(kind: str) -> None:
    given: dict[str, Any] = {"port": "/dev/ttyACM0", "model": kind, "relays": 4}
    settings = LcusSettings if kind == "lcus" else NumatoSettings
    assert settings.model_validate(given).build(LinkFactory()).pulse_end is PulseEnd.NONE
    board = settings.model_validate({**given, "time_relay_s": 0.8}).build(LinkFactory())
    assert (board.pulse_end, board.release_timeout_s) == (PulseEnd.BOARD_TIMED, 0.8)
