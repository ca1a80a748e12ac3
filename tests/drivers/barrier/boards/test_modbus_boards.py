"""Boards on Modbus: a pulse is one frame and ends in every case; other boards are refused."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from board_fixture import WATCHED, WITHIN_S, board_for, configure, opened, site_of
from pydantic import TypeAdapter, ValidationError
from support.patience import PATIENCE_S

from drivers.barrier.board import Board, BoardLate, BoardRefused, PulseEnd
from drivers.barrier.boards.composite import CompositeBoard
from drivers.barrier.boards.host_timed import SILENCE_MARGIN_S
from drivers.barrier.boards.modbus_board import HostTimedModbus
from drivers.barrier.boards.registry import AnyModbusBoard, AnySerialBoard
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.modbus.link import ModbusLink
from simulators.barrier.bus_faults import ExceptionReply, LostReply, LostRequest
from simulators.barrier.faults import BoardsHung, SlowBus
from simulators.barrier.modbus_site import USUAL_INPUTS, USUAL_OUTPUTS, ModbusSite
from simulators.barrier.modbus_site import ModbusSettings as SiteSettings
from simulators.barrier.wirelog import Cause as Why
from simulators.barrier.wirelog import Effect
from simulators.faults import Unplug

WAVESHARE = {"model": "waveshare-8"}
WIRENBOARD = {"model": "wirenboard-6"}
TIMED = {
    "model": "generic",
    "pulse_address": 64,
    "relay_address": 16,
    "input_address": 32,
    "input_table": "coils",
}
PACKED = {**WATCHED, "inputs": 20, "input_address": 100, "input_table": "holding-register"}
BOARDS = {
    "waveshare": WAVESHARE,
    "wirenboard": WIRENBOARD,
    "timed": TIMED,
    "watched": WATCHED,
    "packed": PACKED,
}
BOARD_TIMED = ("waveshare", "timed")
AT_REST = (False, True, False, False, True, True, True, True)


@pytest.fixture(params=["tcp", "rtu"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "board" if request.param == "rtu" else None


@pytest.fixture(params=BOARDS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[ModbusSite, Board]]:
    """Every board, over TCP or on a line."""
    path = tmp_path / "board" if request.param in ("wirenboard", "timed") else None
    async with site_of(BOARDS[request.param], path) as site, opened(site, BOARDS[request.param]) as board:
        yield site, board


Rig = tuple[ModbusSite, Board]


async def failed(doing: Any) -> LinkError:
    with pytest.raises(LinkError) as error:
        await doing
    assert error.value.text
    assert error.value.how
    return error.value


# Every board.


async def test_opening_only_reads(rig: Rig) -> None:
    site, _ = rig
    ours = [frame for frame in site.log.requests if frame.connection > 0]
    assert ours
    assert {frame.effect for frame in ours} == {Effect.NONE}


async def test_inputs_and_relays_at_their_addresses(rig: Rig) -> None:
    _, board = rig
    assert (await board.read_inputs())[:6] == AT_REST[:6]
    assert await board.read_relays() == (False,) * board.relays
    assert len(await board.read_inputs()) == board.inputs


async def test_pulse_is_one_frame_and_ends(rig: Rig) -> None:
    site, board = rig
    await board.pulse_relay(2, 0.3)
    assert (await board.read_relays())[2]
    await site.log.until(lambda: len(site.log.contacts) == 2)
    closed, opened = site.log.contacts
    assert (closed.relay, closed.closed, opened.relay, opened.closed) == (2, True, 2, False)
    assert 0.2 < opened.at_s - closed.at_s < 0.8
    assert len(site.log.actuations) == 1


async def test_two_pulses_end_separately(rig: Rig) -> None:
    site, board = rig
    await board.pulse_relay(0, 0.4)
    await board.pulse_relay(1, 0.1)
    await site.log.until(lambda: len(site.log.contacts) == 4)
    assert [(one.relay, one.closed) for one in site.log.contacts] == [
        (0, True),
        (1, True),
        (1, False),
        (0, False),
    ]


async def test_release_opens_all_and_cancels_pulse_ends(rig: Rig) -> None:
    site, board = rig
    await board.pulse_relay(0, 0.2)
    await board.pulse_relay(1, 0.2)
    await board.open_all_relays()
    assert not any(await board.read_relays())
    writes = len(site.log.output_writes)
    await asyncio.sleep(0.3)
    assert len(site.log.output_writes) == writes == 3
    await board.pulse_relay(0, 0.1)
    assert len(site.log.actuations) == 3


async def test_release_cancels_waiting_pulses(rig: Rig) -> None:
    site, board = rig
    site.inject(SlowBus(delay_s=0.1))
    before = len(site.log.requests)
    sensing = asyncio.ensure_future(board.read_inputs())
    pulsing = asyncio.ensure_future(board.pulse_relay(0, 0.2))
    await site.log.until(lambda: len(site.log.requests) > before)
    await board.open_all_relays()
    with pytest.raises(BoardRefused, match="nothing was sent"):
        await pulsing
    await sensing
    assert [frame.effect for frame in site.log.requests[before:]] == [Effect.NONE, Effect.RELEASE]
    assert not site.log.actuations


async def test_lost_movement_leaves_a_stop(rig: Rig) -> None:
    """The stop is written while the response to the movement is missing; the movement is taken back alone."""
    site, board = rig
    site.inject(LostReply(of="writes"))
    before = len(site.log.requests)
    moving = asyncio.ensure_future(board.pulse_relay(0, 60))
    await site.log.until(lambda: len(site.log.requests) > before)
    await board.pulse_relay(2, 60, urgent=True)
    await failed(moving)
    closed = await board.read_relays()
    assert (closed[0], closed[2]) == (False, True)
    await board.open_all_relays()  # its closing waits for the end of the pulse otherwise


async def test_lost_movement_leaves_a_later_pulse_of_its_relay(rig: Rig) -> None:
    """A reopening is written while the response to an opening is missing: it is not taken back."""
    site, board = rig
    site.inject(LostReply(of="writes"))
    before = len(site.log.requests)
    moving = asyncio.ensure_future(board.pulse_relay(0, 60))
    await site.log.until(lambda: len(site.log.requests) > before)
    await board.pulse_relay(0, 60, urgent=True)
    await failed(moving)
    assert (await board.read_relays())[0]
    await board.open_all_relays()  # its closing waits for the end of the pulse otherwise


async def test_late_pulse_is_never_written(rig: Rig) -> None:
    """The bus is held beyond the deadline: judged when the pulse is written, not when it is asked for."""
    site, board = rig
    site.inject(SlowBus(delay_s=0.2))
    now_s = asyncio.get_running_loop().time
    before = len(site.log.requests)
    reading = asyncio.ensure_future(board.read_inputs())
    await site.log.until(lambda: len(site.log.requests) > before)
    with pytest.raises(BoardLate):
        await board.pulse_relay(0, 0.1, by_s=now_s() + 0.1)
    await reading
    await board.read_relays()
    assert not site.log.actuations
    await board.pulse_relay(0, 0.1, by_s=now_s() + 10)
    assert len(site.log.actuations) == 1


async def test_cancelled_pulse_is_never_written(rig: Rig) -> None:
    site, board = rig
    pulsing = asyncio.ensure_future(board.pulse_relay(0, 0.1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pulsing.cancel()
    await asyncio.gather(pulsing, return_exceptions=True)
    await board.read_inputs()
    await site.log.until(lambda: len(site.log.contacts) in (0, 2))
    assert len(site.log.contacts) == 2 * len(site.log.actuations)


async def test_stop_waits_for_one_request_at_most(rig: Rig) -> None:
    site, board = rig
    site.inject(SlowBus(delay_s=0.05))
    before = len(site.log.requests)
    waiting = [asyncio.ensure_future(board.read_inputs()) for _ in range(10)]
    await site.log.until(lambda: len(site.log.requests) > before)
    await board.pulse_relay(2, 0.1, urgent=True)
    assert site.log.requests[before + 1].is_actuation
    for one in waiting:
        one.cancel()


async def test_refusal_of_the_board_is_raised(rig: Rig) -> None:
    site, board = rig
    site.inject(ExceptionReply(code=6, of="writes"))
    with pytest.raises(BoardRefused, match="busy"):
        await board.pulse_relay(0, 0.1)
    await asyncio.sleep(0.15)
    assert not site.log.contacts
    assert len(site.log.output_writes) == 1


async def test_refused_pulse_during_another_closes_nothing(rig: Rig) -> None:
    site, board = rig
    await board.pulse_relay(0, 0.3)
    site.inject(ExceptionReply(code=6, of="writes"))
    with pytest.raises(BoardRefused):
        await board.pulse_relay(0, 0.2)
    await site.log.until(lambda: len(site.log.contacts) == 2)
    assert not any(await board.read_relays())


async def test_failure_is_not_a_refusal(rig: Rig) -> None:
    site, board = rig
    site.inject(ExceptionReply(code=4, acts=True, of="writes"))
    error = await failed(board.pulse_relay(0, 0.1))
    assert error.cause is Cause.DEVICE_FAULT
    await site.log.until(lambda: len(site.log.contacts) == 2)
    assert len(site.log.actuations) == 1


@pytest.mark.parametrize("name", BOARDS)
async def test_pulse_without_response_is_sent_once_and_ends(name: str, path: Path | None) -> None:
    async with (
        site_of(BOARDS[name], path) as site,
        opened(site, BOARDS[name], response_timeout_s=WITHIN_S) as board,
    ):
        site.inject(LostReply(of="writes"))
        error = await failed(board.pulse_relay(0, 0.1))
        assert error.cause is Cause.NO_RESPONSE
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert len(site.log.actuations) == 1


@pytest.mark.parametrize("name", BOARDS)
async def test_pulse_ends_after_unplugging(name: str) -> None:
    async with site_of(BOARDS[name]) as site, opened(site, BOARDS[name]) as board:
        await board.pulse_relay(0, 0.4)
        site.inject(Unplug())
        assert (await failed(board.read_inputs())).cause is Cause.UNPLUGGED
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert site.log.contacts[1].cause is (
            Why.PULSE_ENDED if board.pulse_end is PulseEnd.BOARD_TIMED else Why.WATCHDOG
        )


@pytest.mark.parametrize("name", ["watched", "packed", "wirenboard"])
async def test_closing_opens_relays_of_pulses(name: str) -> None:
    async with site_of(BOARDS[name]) as site:
        async with opened(site, BOARDS[name]) as board:
            await board.pulse_relay(0, 5)
        assert [one.cause for one in site.log.contacts] == [Why.COMMAND, Why.COMMAND]
        async with opened(site, BOARDS[name]) as board:
            pass
        assert len(site.log.output_writes) == 2


@pytest.mark.parametrize("name", BOARDS)
async def test_closing_cuts_no_stop_short(name: str) -> None:
    """A machine takes no shorter contact for a command; and a stop that was acknowledged is not repeated."""
    async with site_of(BOARDS[name]) as site:
        async with opened(site, BOARDS[name]) as board:
            await board.pulse_relay(2, 0.3, urgent=True)
        await site.log.until(lambda: len(site.log.contacts) == 2)
        closed, opened_ = site.log.contacts
        assert opened_.at_s - closed.at_s > 0.25


async def test_board_timed_pulse_needs_no_second_frame() -> None:
    async with site_of(WAVESHARE) as site:
        async with opened(site, WAVESHARE) as board:
            await board.pulse_relay(0, 0.1)
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert len(site.log.output_writes) == 1


# Relays that do not open.


async def is_stuck(board: Board) -> bool:
    """True once the board's relays did not open."""
    try:
        await board.read_inputs()
    except LinkError as error:
        return error.cause is Cause.DEVICE_FAULT
    return False


async def test_lost_confirmation_opens_the_relay_once_more(path: Path | None) -> None:
    async with site_of(WATCHED, path) as site, opened(site, WATCHED, response_timeout_s=WITHIN_S) as board:
        await board.pulse_relay(0, 0.1)
        site.inject(LostReply(of="writes"))
        await site.log.until(lambda: len(site.log.releases) == 2)
        assert [frame.function for frame in site.log.releases] == [5, 5]
        assert len(await board.read_inputs()) == 8


async def test_repeated_release_leaves_a_later_pulse() -> None:
    """A stop is written while the releases of earlier pulses are repeated: its relay stays closed."""
    async with site_of(WATCHED) as site, opened(site, WATCHED) as board:
        assert isinstance(board, HostTimedModbus)
        board._unreleased |= {0, 2}
        site.inject(SlowBus(delay_s=0.05))
        sensing = asyncio.ensure_future(board.read_inputs())
        await site.log.until(lambda: site.log.releases)
        await board.pulse_relay(2, 60, urgent=True)
        assert len(await sensing) == 8
        assert (await board.read_relays())[2]
        assert board._unreleased == set()
        await board.open_all_relays()


async def test_no_reading_between_lost_releases() -> None:
    """Readings restart the watchdog: the relay would stay closed for as long as releases are lost."""
    async with site_of(WATCHED) as site, opened(site, WATCHED, response_timeout_s=WITHIN_S) as board:
        await board.pulse_relay(0, 0.1)
        site.inject(LostRequest(exchanges=3, of="writes"))
        answers = [await reading(board) for _ in range(4)]
        await site.log.until(lambda: len(site.log.contacts) == 2)
        lost_s = site.log.releases[0].at_s
        between = [
            frame
            for frame in site.log.requests
            if lost_s < frame.at_s < site.log.contacts[1].at_s and frame.effect is Effect.NONE
        ]
        assert not between
        assert None in answers
        assert len(await board.read_inputs()) == 8


async def reading(board: Board) -> tuple[bool, ...] | None:
    """Return the inputs, or None after an error, some time later."""
    await asyncio.sleep(0.05)
    try:
        return await board.read_inputs()
    except LinkError:
        return None


async def test_busy_release_comes_before_readings() -> None:
    async with site_of(WATCHED) as site, opened(site, WATCHED, response_timeout_s=WITHIN_S) as board:
        await board.pulse_relay(0, 0.1)
        site.inject(ExceptionReply(code=6, exchanges=2, of="writes"))
        await site.log.until(lambda: bool(site.log.releases))
        assert len(await board.read_inputs()) == 8
        assert not any(await board.read_relays())


async def test_close_waits_for_the_watchdog() -> None:
    """The next opening begins with readings, which would restart the watchdog."""
    async with site_of(WATCHED) as site:
        async with opened(site, WATCHED, response_timeout_s=0.1) as board:
            await board.pulse_relay(0, 5)
            site.inject(LostRequest(exchanges=1000, of="writes"))
        assert site.log.contacts[1].cause is Why.WATCHDOG


async def test_stuck_relay_is_left_to_the_watchdog(tmp_path: Path) -> None:
    async with (
        site_of(WATCHED, tmp_path / "board") as site,
        opened(site, WATCHED, response_timeout_s=WITHIN_S) as board,
    ):
        await board.pulse_relay(0, 0.1)
        site.inject(ExceptionReply(code=6, exchanges=4, of="writes"))
        await site.log.until(lambda: len(site.log.releases) == 4)
        while not await is_stuck(board):
            await asyncio.sleep(0.01)
        said = len(site.log.requests)
        for doing in (board.read_relays(), board.pulse_relay(1, 0.1, urgent=True), board.open_all_relays()):
            assert "may be closed" in (await failed(doing)).text
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert site.log.contacts[1].cause is Why.WATCHDOG
        assert len(site.log.requests) == said
        await asyncio.sleep(board.release_timeout_s + SILENCE_MARGIN_S)
        await board.open_all_relays()
        assert not any(await board.read_relays())


async def test_stuck_relay_opens_once_board_responds(tmp_path: Path) -> None:
    board_s = {**WATCHED, "watchdog_s": 10}
    async with (
        site_of(WATCHED, tmp_path / "board") as site,
        opened(site, board_s, response_timeout_s=0.5) as board,
    ):
        await board.pulse_relay(0, 0.1)
        configure(site, "060008ffff")  # this watchdog would open it after hours
        site.inject(BoardsHung(for_s=PATIENCE_S))
        while not await is_stuck(board):
            await asyncio.sleep(0.01)
        with pytest.raises(LinkError):
            await board.read_inputs()
        site.clear_faults()
        while len(site.log.contacts) < 2:
            with contextlib.suppress(LinkError):
                await board.open_all_relays()
        assert site.log.contacts[1].cause is Why.COMMAND
        assert len(await board.read_inputs()) == 8


@pytest.mark.parametrize("name", BOARDS)
async def test_relay_found_closed_is_released(name: str) -> None:
    async with site_of(BOARDS[name]) as site:
        address = 3 + BOARDS[name].get("relay_address", 0)
        configure(site, f"05{address:04x}ff00")
        async with opened(site, BOARDS[name]) as board:
            assert not any(await board.read_relays())
        assert [frame.effect for frame in site.log.output_writes] == [Effect.ENERGISE, Effect.RELEASE]


async def test_failed_openings_leave_the_watchdog_alone() -> None:
    """Each opening is refused; were they quicker than the watchdog, the relay would stay closed."""
    async with site_of(WATCHED) as site:
        configure(site, "050003ff00")
        site.inject(ExceptionReply(code=6, exchanges=1000, of="writes"))
        while len(site.log.contacts) < 2:
            links = LinkFactory()
            assert "does not open" in (await failed(board_for(site, WATCHED, links).open())).text
            await links.close()
        assert site.log.contacts[1].cause is Why.WATCHDOG
        assert site.log.contacts[1].at_s - site.log.contacts[0].at_s < 2


async def test_unanswered_openings_leave_the_watchdog_alone() -> None:
    async with site_of(WATCHED) as site:
        configure(site, "050003ff00")
        site.inject(LostReply(exchanges=1000))
        while len(site.log.contacts) < 2:
            links = LinkFactory()
            await failed(board_for(site, WATCHED, links, response_timeout_s=0.1).open())
            await links.close()
        assert site.log.contacts[1].cause is Why.WATCHDOG


async def test_failed_opening_waits_for_no_watchdog_if_every_relay_was_left_open() -> None:
    """A door may be closing on somebody, and the link was lost."""
    async with site_of(WATCHED) as one, site_of(WATCHED) as other:
        links = LinkFactory()
        left_open, unknown = (
            board_for(site, WATCHED, links, response_timeout_s=0.1) for site in (one, other)
        )
        for site in (one, other):
            site.inject(LostReply(exchanges=1000))
        left_open.is_left_open = True
        opening = asyncio.create_task(failed(unknown.open()))
        await failed(left_open.open())
        assert not opening.done()
        assert left_open.is_left_open
        await opening
        await links.close()


async def test_relay_that_does_not_open_was_not_left_open() -> None:
    async with site_of(WATCHED) as site:
        configure(site, "050003ff00")
        site.inject(ExceptionReply(code=6, exchanges=1000, of="writes"))
        links = LinkFactory()
        board = board_for(site, WATCHED, links)
        board.is_left_open = True
        assert "does not open" in (await failed(board.open())).text
        assert not board.is_left_open
        await links.close()


# Boards with a wrong setup.


@pytest.mark.parametrize(
    ("board", "written", "text", "remedy"),
    [
        (WAVESHARE, "0610020001", "lets an input drive relay 2", "write 0 to register 0x1002"),
        (WAVESHARE, "0610070003", "edges", "write 0 to register 0x1007"),
        (WIRENBOARD, "0600080000", "it is off", "Write 1 to holding register 8"),
        (WIRENBOARD, "0600080003", "watchdog of 3 seconds", "Write 1 to holding register 8"),
        (WIRENBOARD, "0600060001", "when power returns", "Write 0 to holding register 6"),
        (WIRENBOARD, "06000b0001", "lets its input 3 drive relays", "Write 3 to holding register 11"),
        (WIRENBOARD, "0600100002", "lets its input 0 drive relays", "Write 3 to holding register 16"),
        (WIRENBOARD, "0603ab0000", "leaves relay 1 closed", "Write 1 to holding register 939"),
        (WIRENBOARD, "0603a70001", "closes relay 5", "Write 0 to holding register 935"),
        (WATCHED, "0600080000", "watchdog that is off", "Write 10 to holding register 8"),
        (WATCHED, "06000800ff", "waits 25.5 seconds", "Write 10 to holding register 8"),
        (WATCHED, "0600080003", "waits 0.3 seconds", "Write 10 to holding register 8"),
        ({**WATCHED, "watchdog_s": 0.3}, "0600080002", "waits 0.2 seconds", "Write 3 to holding register 8"),
    ],
)
async def test_wrong_setup_is_refused_with_a_remedy(
    board: dict[str, Any], written: str, text: str, remedy: str
) -> None:
    async with site_of(board) as site:
        configure(site, written)
        links = LinkFactory()
        error = await failed(board_for(site, board, links).open())
        await links.close()
        assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
        assert text in error.text
        assert remedy in error.how
        assert not site.log.output_writes


@pytest.mark.parametrize("tenths", range(3, 11))
async def test_watchdog_as_configured_is_accepted(tenths: int) -> None:
    """The time in seconds is not always an exact multiple of the unit."""
    board = {**WATCHED, "watchdog_s": tenths / 10}
    async with site_of(board) as site:
        configure(site, f"06000800{tenths:02x}")
        async with opened(site, board) as opened_board:
            assert opened_board.release_timeout_s == tenths / 10


@pytest.mark.parametrize("board", [WAVESHARE, WIRENBOARD, {**TIMED, "input_address": 900}])
async def test_other_board_is_detected_by_missing_registers(board: dict[str, Any]) -> None:
    async with site_of({"model": "kmtronic-8"}) as site:
        links = LinkFactory()
        error = await failed(board_for(site, board, links).open())
        await links.close()
    assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
    assert "does not return" in error.text


@pytest.mark.parametrize(
    ("code", "cause"),
    [(2, Cause.WRONG_DEVICE), (4, Cause.DEVICE_FAULT), (6, Cause.NO_RESPONSE), (11, Cause.NO_RESPONSE)],
)
async def test_read_failures_have_different_causes(code: int, cause: Cause) -> None:
    async with site_of(WAVESHARE) as site, opened(site, WAVESHARE) as board:
        site.inject(ExceptionReply(code=code))
        assert (await failed(board.read_inputs())).cause is cause
        assert await board.read_inputs() == AT_REST


async def test_identity_is_read_from_the_board() -> None:
    async with site_of(WAVESHARE) as site:
        links = LinkFactory()
        board = board_for(site, WAVESHARE, links)
        assert (await board.open()).firmware == "1.00"
        await links.close()
    async with site_of(WIRENBOARD) as site:
        links = LinkFactory()
        board = board_for(site, WIRENBOARD, links)
        assert (await board.open()).model == "WBMR6C"
        await links.close()
    async with site_of({"model": "kmtronic-8"}) as site:
        links = LinkFactory()
        board = board_for(site, {"model": "kmtronic-8"}, links)
        identity = await board.open()
        assert (identity.manufacturer, identity.model) == ("KMtronic", "8 relays")
        await links.close()


async def acknowledged(*_: object, **__: object) -> None:
    """Take a response to an earlier request for that to this one, which was not executed."""


async def test_release_with_a_late_twin_is_proved_by_the_relays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response may be that of an earlier release, before a pulse: here the relay is still closed."""
    async with site_of(WAVESHARE) as site, opened(site, WAVESHARE) as board:
        await board.pulse_relay(0, 60)
        monkeypatch.setattr(board, "_write", acknowledged)
        monkeypatch.setattr(ModbusLink, "has_late_twin", lambda *_: True)
        lost = await failed(board.open_all_relays())
        assert lost.cause is Cause.DEVICE_FAULT
        monkeypatch.undo()


async def test_release_by_name_with_a_late_twin_is_proved_by_the_relays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with site_of(WATCHED) as site, opened(site, WATCHED) as board:
        await board.pulse_relay(0, 60)
        monkeypatch.setattr(board, "_write", acknowledged)
        monkeypatch.setattr(ModbusLink, "has_late_twin", lambda *_: True)
        lost = await failed(board._open_relay_once(0))  # type: ignore[attr-defined]
        assert lost.cause is Cause.DEVICE_FAULT
        monkeypatch.undo()


# KMtronic: only a time relay behind it ends a pulse.


async def test_pulse_end_needs_a_time_relay(path: Path | None) -> None:
    plain = {"model": "kmtronic-8"}
    async with site_of(plain, path) as site, opened(site, plain) as board:
        assert board.pulse_end is PulseEnd.NONE
        assert await board.read_inputs() == ()
    async with site_of(plain, path) as site, opened(site, plain, time_relay_s=1.0) as board:
        assert (board.pulse_end, board.release_timeout_s) == (PulseEnd.BOARD_TIMED, 1.0)
        await board.pulse_relay(1, 0.1)
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert [frame.function for frame in site.log.output_writes] == [5, 5]


# Settings.


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"model": "waveshare-9"}, "'waveshare-8', 'wirenboard-6', 'kmtronic-8', 'generic'"),
        ({}, "model"),
        ({"model": "generic"}, "write `pulse_address`"),
        ({**WATCHED, "pulse_address": 3}, "not both"),
        ({**WATCHED, "input_table": "coils"}, "correct `input_address`"),
        ({**WIRENBOARD, "watchdog_s": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(AnyModbusBoard).validate_python({"port": "tcp://board", **settings})
    assert remedy in str(refused.value)


@pytest.mark.parametrize("given", [WAVESHARE, WIRENBOARD, WATCHED, {"model": "numato", "relays": 4}])
def test_slow_answers_are_refused(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    either: TypeAdapter[Any] = TypeAdapter(AnyModbusBoard | AnySerialBoard)
    given = {"port": "/dev/ttyS1", **given}
    assert either.validate_python({**given, "response_timeout_s": 0.2})
    with pytest.raises(ValidationError, match="write at most"):
        either.validate_python({**given, "response_timeout_s": 0.21})


# Two boards on one wire.


async def test_two_boards_on_one_line(path: Path | None) -> None:
    settings = SiteSettings.model_validate(
        {
            "path": path,
            "quiet_s": None if path is None else 0.02,
            "boards": [
                {"model": "kmtronic-8", "outputs": USUAL_OUTPUTS},
                {"model": "generic", "unit": 2, "inputs": USUAL_INPUTS, "map": {"relays": 0}},
            ],
        }
    )
    async with ModbusSite.start(settings) as site:
        links = LinkFactory()
        relays = board_for(site, {"model": "kmtronic-8"}, links)
        board: Board = CompositeBoard(
            relays, board_for(site, {"model": "generic", "unit": 2, "relays": 0}, links)
        )
        await board.open()
        assert (board.relays, board.inputs) == (8, 8)
        assert board.inputs_at_opening == AT_REST
        assert await board.read_inputs() == AT_REST
        before = len(site.log.frames)
        await asyncio.gather(board.pulse_relay(1, 0.6), *(board.read_inputs() for _ in range(5)))
        assert await board.read_relays() == (False, True, *[False] * 6)
        await site.log.until(lambda: len(site.log.contacts) == 2)
        said = [frame.direction for frame in site.log.frames[before:]]
        assert said == ["request", "response"] * (len(said) // 2)
        await board.open_all_relays()
        await board.close()
        await links.close()
