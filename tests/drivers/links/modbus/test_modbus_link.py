"""Modbus link: one request on the line at a time, each sent once and matched to its own response."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from modbus_fixture import (
    FLASH_OPEN,
    FLASH_STOP,
    INPUTS,
    RELAYS,
    WITHIN_S,
    link_to,
    settings_of,
    site_at,
)
from pydantic import ValidationError

from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.modbus.framing import serial_frame, tcp_frame
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import (
    Function,
    ModbusExceptionResponse,
    ReadBits,
    ReadRegisters,
    WriteCoils,
    WriteSingle,
)
from drivers.links.request_queue import LineNotFree, RequestNotSent
from simulators.barrier.bus_faults import (
    DuplicatedReply,
    ExceptionReply,
    ForeignReply,
    HangUp,
    LateReply,
    LostReply,
    LostRequest,
    WrongCrc,
)
from simulators.barrier.faults import BoardsHung, SlowBus
from simulators.barrier.modbus_site import ModbusSite
from simulators.barrier.wirelog import FrameFate
from simulators.faults import Noise, Unplug
from simulators.links.serial_line import SerialLine

AT_REST = (False, True, False, False, True, True, True, True)


@pytest.fixture(params=["tcp", "rtu"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ModbusSite]:
    async with site_at(tmp_path / "board" if request.param == "rtu" else None) as site:
        yield site


@pytest.fixture
async def link(site: ModbusSite) -> AsyncIterator[ModbusLink]:
    async with link_to(site) as link:
        yield link


@pytest.fixture
async def impatient_link(site: ModbusSite) -> AsyncIterator[ModbusLink]:
    """A link for responses that do not come."""
    async with link_to(site, response_timeout_s=WITHIN_S) as link:
        yield link


async def fail_without_response(
    link: ModbusLink, request: ReadBits | WriteSingle, *, urgent: bool = False
) -> LinkError:
    """Send a request that gets no response."""
    with pytest.raises(LinkError) as error:
        await link.request(request, urgent=urgent)
    assert error.value.text
    assert error.value.how
    return error.value


# Requests and responses.


async def test_every_function_of_boards(link: ModbusLink, site: ModbusSite) -> None:
    assert await link.request(INPUTS) == AT_REST
    assert await link.request(WriteCoils(0, [False, True, False, True, False, False, False, False]))
    assert await link.request(WriteSingle(Function.WRITE_COIL, 1, 0))
    assert await link.request(RELAYS) == (False, False, False, True, False, False, False, False)
    assert await link.request(ReadRegisters(Function.READ_HOLDING_REGISTERS, 0x8000, 1)) == (100,)
    assert await link.request(WriteSingle(Function.WRITE_REGISTER, 0x1000, 0))
    assert await link.request(WriteCoils(0, [False] * 8))
    assert all(frame.fate in (FrameFate.RECEIVED, FrameFate.SENT) for frame in site.log.frames)


async def test_timed_pulse_is_one_frame(link: ModbusLink, site: ModbusSite) -> None:
    assert await link.request(FLASH_OPEN)
    await site.log.until(lambda: len(site.log.contacts) == 2)
    assert [frame.meaning for frame in site.log.output_writes] == ["relay 0 on for 0.2 s"]


async def test_exception_tells_if_something_was_done(link: ModbusLink, site: ModbusSite) -> None:
    with pytest.raises(ModbusExceptionResponse, match="no such address") as refused:
        await link.request(ReadBits(Function.READ_COILS, 6, 8))
    assert refused.value.is_before_execution
    site.inject(ExceptionReply(code=4, acts=True))
    with pytest.raises(ModbusExceptionResponse, match="the execution failed") as refused:
        await link.request(FLASH_OPEN)
    assert not refused.value.is_before_execution
    assert await link.request(INPUTS) == AT_REST


async def test_simulated_board_is_marked(site: ModbusSite) -> None:
    links = LinkFactory()
    async with link_to(site, links):
        assert links.is_simulated


@pytest.mark.parametrize("fault", [LostRequest(), LostReply()], ids=["request", "reply"])
async def test_lost_identification_is_repeated(site: ModbusSite, fault: LostRequest | LostReply) -> None:
    """Nothing is read before it: a barrier that closes meanwhile is not guarded."""
    site.inject(fault)
    links = LinkFactory()
    async with link_to(site, links):
        assert links.is_simulated


async def test_both_directions_are_tapped(site: ModbusSite) -> None:
    seen: list[tuple[str, bytes]] = []
    async with link_to(site, LinkFactory(lambda direction, chunk: seen.append((direction, chunk)))) as link:
        seen.clear()
        await link.request(INPUTS)
    sent = b"".join(chunk for direction, chunk in seen if direction == "out")
    assert sent == site.log.requests[-1].wire
    assert b"".join(chunk for direction, chunk in seen if direction == "in") == site.log.responses[-1].wire


# Missing, late and foreign responses.


@pytest.mark.parametrize("fault", [LostReply(of="writes"), LostRequest(of="writes"), BoardsHung()])
async def test_write_without_response_is_sent_once(
    impatient_link: ModbusLink, site: ModbusSite, fault: LostReply | LostRequest | BoardsHung
) -> None:
    site.inject(fault)
    error = await fail_without_response(impatient_link, FLASH_OPEN)
    assert (error.cause, error.action) == (Cause.NO_RESPONSE, Action.CALL_SUPPORT)
    assert len(site.log.actuations) == 1


async def test_lost_write_over_tcp_cuts_connection(tmp_path: Path) -> None:
    """Bytes still buffered by the kernel would reach the board when the cable is plugged in again."""
    async with site_at(None) as site, link_to(site, response_timeout_s=WITHIN_S) as link:
        site.inject(LostReply(of="writes"))
        await fail_without_response(link, FLASH_OPEN)
        await site.log.until(lambda: not site.log.connections[-1].opened)
        assert await link.request(FLASH_STOP, urgent=True)
        assert [frame.connection for frame in site.log.actuations] == [1, 2]


async def test_lost_read_does_not_affect_next(impatient_link: ModbusLink, site: ModbusSite) -> None:
    site.inject(LostReply())
    await fail_without_response(impatient_link, INPUTS)
    assert await impatient_link.request(INPUTS) == AT_REST


async def test_duplicate_response_is_read_once(link: ModbusLink, site: ModbusSite) -> None:
    await link.request(WriteCoils(0, [False] * 3 + [True]))
    site.inject(DuplicatedReply(copies=3))
    assert (await link.request(RELAYS))[3]
    await link.request(WriteCoils(0, [False] * 8))
    site.inject(DuplicatedReply(copies=3))
    assert not any(await link.request(RELAYS))
    assert not any(await link.request(RELAYS))


async def test_late_response_is_not_for_next_read(impatient_link: ModbusLink, site: ModbusSite) -> None:
    site.inject(LateReply(delay_s=WITHIN_S * 1.5))
    await fail_without_response(impatient_link, RELAYS)  # the response, no relay closed, is under way
    await impatient_link.request(WriteCoils(0, [True] * 8), urgent=True)
    assert await impatient_link.request(RELAYS) == (True,) * 8
    await site.log.until(lambda: any(frame.fate is FrameFate.LATE for frame in site.log.responses))
    assert await impatient_link.request(RELAYS) == (True,) * 8


async def test_late_exception_is_not_for_stop(tmp_path: Path) -> None:
    async with site_at(tmp_path / "board") as site, link_to(site, response_timeout_s=WITHIN_S) as link:
        site.inject(LateReply(delay_s=WITHIN_S * 1.2))
        site.inject(ExceptionReply(code=6))
        await fail_without_response(link, FLASH_OPEN)
        site.inject(LateReply(delay_s=WITHIN_S * 0.5))
        assert await link.request(FLASH_STOP, urgent=True)


async def test_response_of_other_unit_is_ignored(impatient_link: ModbusLink, site: ModbusSite) -> None:
    site.inject(ForeignReply())
    await fail_without_response(impatient_link, INPUTS)
    assert await impatient_link.request(INPUTS) == AT_REST


async def test_damaged_response_and_noise_are_ignored(tmp_path: Path) -> None:
    async with site_at(tmp_path / "board") as site, link_to(site, response_timeout_s=WITHIN_S) as link:
        site.inject(WrongCrc())
        await fail_without_response(link, INPUTS)
        site.inject(Noise(size=5))
        assert await link.request(INPUTS) == AT_REST


async def test_other_protocol_is_wrong_device() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        links = LinkFactory()
        with pytest.raises(LinkError) as error:
            await links.modbus(ModbusSettings(port=f"tcp://127.0.0.1:{port}"))
        await links.close()
    assert (error.value.cause, error.value.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)


async def test_board_without_identification_works(tmp_path: Path) -> None:
    async with site_at(None) as site:
        site.inject(LostReply(exchanges=2))
        async with link_to(site, response_timeout_s=WITHIN_S) as link:
            assert not link.is_simulated
            assert await link.request(INPUTS) == AT_REST


# Connections and cables.


async def test_missing_board_has_a_remedy(tmp_path: Path) -> None:
    async with site_at(None) as site:
        settings = settings_of(site)
    with pytest.raises(LinkError) as error:
        await LinkFactory().modbus(ModbusSettings(**settings))
    assert error.value.cause is Cause.NO_RESPONSE
    assert "refused" in error.value.text
    with pytest.raises(LinkError) as error:
        await LinkFactory().modbus(ModbusSettings(port=str(tmp_path / "absent")))
    assert error.value.cause is Cause.NO_DEVICE


async def test_serial_line_has_one_owner(tmp_path: Path) -> None:
    async with site_at(tmp_path / "board") as site, link_to(site):
        with pytest.raises(LinkError) as error:
            async with link_to(site):
                pass
        assert error.value.cause in (Cause.PORT_HELD, Cause.NO_PERMISSION)


@pytest.mark.parametrize("of", ["before", "after"])
async def test_closed_connection_is_reported_at_once(of: str) -> None:
    async with site_at(None) as site, link_to(site) as link:
        site.inject(HangUp(of="writes", acts=of == "after"))
        assert (await fail_without_response(link, FLASH_OPEN)).cause is Cause.UNPLUGGED
        assert (await fail_without_response(link, FLASH_OPEN)).cause is Cause.UNPLUGGED
        assert len(site.log.actuations) == 1


async def test_unplugged_cable_is_reported(link: ModbusLink, site: ModbusSite) -> None:
    site.inject(Unplug())
    assert (await fail_without_response(link, INPUTS)).cause is Cause.UNPLUGGED


@pytest.mark.parametrize("cut", range(6))
async def test_line_unplugged_at_any_byte(tmp_path: Path, cut: int) -> None:
    answer = serial_frame(1, bytes([2, 1, 0xB2]))
    async with SerialLine.open_at(tmp_path / "board") as line:
        links = LinkFactory()
        link = await links.modbus(ModbusSettings(port=str(line.path)))
        asking = asyncio.ensure_future(link.request(INPUTS))
        await line.wait_for_bytes(serial_frame(1, INPUTS.pdu))
        await line.send(answer[:cut])
        await line.wait_drained()
        line.unplug()
        with pytest.raises(LinkError) as error:
            await asking
        await links.close()
    assert error.value.cause is Cause.UNPLUGGED


@pytest.mark.parametrize("cut", range(10))
async def test_connection_closed_at_any_byte(cut: int) -> None:
    answer = tcp_frame(2, 1, bytes([2, 1, 0xB2]))  # the first request is the identification

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(11)
        writer.write(tcp_frame(1, 1, bytes([0xAB, 1])))
        await reader.readexactly(12)
        writer.write(answer[:cut])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        links = LinkFactory()
        link = await links.modbus(ModbusSettings(port=f"tcp://127.0.0.1:{port}"))
        with pytest.raises(LinkError) as error:
            await link.request(INPUTS)
        await links.close()
    assert error.value.cause is Cause.UNPLUGGED


# Order of requests.


async def test_stop_waits_for_one_request_at_most(link: ModbusLink, site: ModbusSite) -> None:
    site.inject(SlowBus(delay_s=0.05))
    before = len(site.log.requests)
    waiting = [asyncio.ensure_future(link.request(INPUTS)) for _ in range(20)]
    await site.log.until(lambda: len(site.log.requests) == before + 1)
    assert await link.request(FLASH_STOP, urgent=True)
    assert [frame.function for frame in site.log.requests[before:]][:2] == [2, 5]
    for one in waiting:
        one.cancel()


async def test_one_request_at_a_time(link: ModbusLink, site: ModbusSite) -> None:
    site.inject(SlowBus(delay_s=0.01))
    before = len(site.log.frames)
    await asyncio.gather(*(link.request(INPUTS, urgent=n % 2 == 0) for n in range(8)))
    assert [frame.direction for frame in site.log.frames[before:]] == ["request", "response"] * 8


async def test_cancelled_request_is_not_sent(link: ModbusLink, site: ModbusSite) -> None:
    site.inject(SlowBus(delay_s=0.05))
    before = len(site.log.requests)
    asking = asyncio.ensure_future(link.request(INPUTS))
    opening = asyncio.ensure_future(link.request(FLASH_OPEN))
    await site.log.until(lambda: len(site.log.requests) == before + 1)
    opening.cancel()
    await asking
    await link.request(INPUTS)
    assert not site.log.actuations


async def test_response_to_cancelled_is_not_for_next(link: ModbusLink, site: ModbusSite) -> None:
    site.inject(SlowBus(delay_s=0.05))
    before = len(site.log.requests)
    asking = asyncio.ensure_future(link.request(RELAYS))
    await site.log.until(lambda: len(site.log.requests) == before + 1)
    asking.cancel()
    await link.request(WriteCoils(0, [True] * 8))
    assert await link.request(RELAYS) == (True,) * 8
    assert [frame.direction for frame in site.log.frames[2 * before :]] == ["request", "response"] * 3


async def test_unwanted_request_is_not_sent(link: ModbusLink, site: ModbusSite) -> None:
    def refuse() -> None:
        raise RequestNotSent

    with pytest.raises(RequestNotSent):
        await link.request(FLASH_OPEN, before_write=refuse)
    assert not site.log.actuations


async def test_movement_waits_for_an_answer(impatient_link: ModbusLink, site: ModbusSite) -> None:
    """A request without an answer may wait in an adapter, and a movement behind it would come late."""
    site.inject(LostRequest())
    await fail_without_response(impatient_link, INPUTS)
    with pytest.raises(LineNotFree):
        await impatient_link.request(FLASH_OPEN)
    assert await impatient_link.request(FLASH_STOP, urgent=True)
    assert await impatient_link.request(FLASH_OPEN)


async def test_urgent_write_is_repeated_at_once(tmp_path: Path) -> None:
    async with site_at(tmp_path / "board") as site, link_to(site, response_timeout_s=WITHIN_S) as link:
        site.inject(LostReply())
        await fail_without_response(link, FLASH_STOP, urgent=True)
        assert link.has_late_twin(FLASH_STOP)
        assert await link.request(FLASH_STOP, urgent=True)
        first, second = site.log.actuations
        assert second.at_s - first.at_s < 1.8 * WITHIN_S  # before: twice the answer time


async def test_board_has_one_user_on_the_machine(site: ModbusSite) -> None:
    async with link_to(site) as link:
        with pytest.raises(LinkError) as error:
            async with link_to(site):
                pass
        assert error.value.cause is Cause.PORT_HELD
        with pytest.raises(LinkError) as error:
            link.for_unit(link.settings)
        assert error.value.cause is Cause.PORT_HELD
        assert link.for_unit(link.settings.model_copy(update={"unit": 2}))
    async with link_to(site) as link:
        assert await link.request(INPUTS) == AT_REST


async def test_closing_ends_what_waits(site: ModbusSite) -> None:
    site.inject(BoardsHung())
    async with link_to(site) as link:
        waiting = [asyncio.ensure_future(link.request(INPUTS)) for _ in range(3)]
        await site.log.until(lambda: site.log.requests and site.log.requests[-1].function == 2)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, LinkError) for error in ended)
    assert (await fail_without_response(link, INPUTS)).text == "The link is closed."


async def test_many_opens_leave_nothing(site: ModbusSite) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    for _ in range(50):
        async with link_to(site):
            pass


# Settings.


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"port": "tcp://"}, "tcp://host:port"),
        ({"port": "tcp://board:99999"}, "tcp://host:port"),
        ({"port": "board"}, "absolute path"),
        ({"port": "usb:1"}, "usb:VID:PID"),
        ({"port": "tcp://board", "baud": 9600}, "remove it"),
        ({"port": "/dev/ttyS0", "baud": 9601}, "choose one of"),
        ({"port": "tcp://board", "unit": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, object], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        ModbusSettings.model_validate(settings)
