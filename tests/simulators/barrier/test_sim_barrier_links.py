"""The links to hosts: TCP and a pty, byte by byte, cut off and restored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import serial
from sim_host import Host
from support.patience import PATIENCE_S

from simulators.barrier.bus_faults import HangUp, LostReply, WrongCrc
from simulators.barrier.faults import BoardsHung, PowerCut, SlowBus
from simulators.barrier.modbus.mbap import MbapFraming
from simulators.barrier.modbus.rtu import RtuFraming
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.timeline import ManualClock
from simulators.barrier.wirelog import FrameFate
from simulators.errors import SimulatorError
from simulators.faults import Noise, Unplug

READ, READ_ANSWER = b"\x01\0\0\0\x08", b"\x01\x01\0"
OPEN = b"\x05\x02\0\0\x05"
QUIET_S = 0.03
"""Time within which one write arrives completely on a busy machine."""


class TcpHost:
    """A host on its own connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read() == b""


Connect = Callable[[], Awaitable[TcpHost]]


@pytest.fixture
async def site() -> AsyncIterator[ModbusSite]:
    async with ModbusSite.start() as site:
        yield site


@pytest.fixture
async def connect(site: ModbusSite) -> AsyncIterator[Connect]:
    hosts: list[TcpHost] = []

    async def connect() -> TcpHost:
        hosts.append(TcpHost(*await asyncio.open_connection("127.0.0.1", site.port)))
        return hosts[-1]

    yield connect
    for host in hosts:
        host.writer.close()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[ModbusSite]:
    async with ModbusSite.start(ModbusSettings(path=tmp_path / "board", quiet_s=QUIET_S)) as site:
        yield site


@pytest.fixture
def port(line: ModbusSite, plug_host: Callable[[Path], Host]) -> Host:
    assert line.settings.path is not None
    return plug_host(line.settings.path)


# TCP


async def test_request_in_any_pieces(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    for byte in MbapFraming().frame(1, READ, 7) + MbapFraming().frame(1, READ, 8):
        host.writer.write(bytes([byte]))
        await host.writer.drain()
        await asyncio.sleep(0)
    assert await host.read(20) == MbapFraming().frame(1, READ_ANSWER, 7) + MbapFraming().frame(
        1, READ_ANSWER, 8
    )
    assert [frame.wire for frame in site.log.requests] == [
        MbapFraming().frame(1, READ, tag) for tag in (7, 8)
    ]


async def test_each_host_gets_its_own_answers(site: ModbusSite, connect: Connect) -> None:
    one, two = await connect(), await connect()
    two.writer.write(MbapFraming().frame(1, READ, 2))
    one.writer.write(MbapFraming().frame(1, READ, 1))
    assert await one.read(10) == MbapFraming().frame(1, READ_ANSWER, 1)
    assert await two.read(10) == MbapFraming().frame(1, READ_ANSWER, 2)
    assert {(frame.wire[1], frame.connection) for frame in site.log.responses} == {(1, 1), (2, 2)}


async def test_connections_are_logged(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    await site.log.until(lambda: site.log.connections)
    host.writer.close()
    await site.log.until(lambda: len(site.log.connections) == 2)
    assert [(c.number, c.opened) for c in site.log.connections] == [(1, True), (1, False)]


async def test_invalid_data_is_logged_and_hung_up(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    host.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await host.ended()
    (frame,) = site.log.frames
    assert (frame.fate, frame.wire[:3]) == (FrameFate.DAMAGED, b"GET")


async def test_incomplete_request_is_logged(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    host.writer.write(MbapFraming().frame(1, OPEN, 1)[:-1])
    host.writer.close()
    await site.log.until(lambda: site.log.frames)
    (frame,) = site.log.frames
    assert (frame.fate, frame.meaning) == (FrameFate.DAMAGED, "no frame: cut short")
    assert not site.log.actuations


async def test_unplugged_port_refuses_until_restored(site: ModbusSite, connect: Connect) -> None:
    host, port = await connect(), site.port
    await site.log.until(lambda: site.log.connections)
    site.inject(Unplug(for_s=0.05))
    assert await host.ended()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                host = await connect()
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    assert site.port == port
    host.writer.write(MbapFraming().frame(1, READ, 1))
    assert await host.read(10) == MbapFraming().frame(1, READ_ANSWER, 1)


async def test_hung_up_host_has_nothing_more_executed(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    site.inject(HangUp())
    host.writer.write(MbapFraming().frame(1, READ, 1) + MbapFraming().frame(1, OPEN, 2))
    assert await host.ended()
    assert not site.log.actuations
    assert not site.log.contacts


async def test_answer_for_lost_host_is_undelivered(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    site.inject(SlowBus(delay_s=0.1))
    host.writer.write(MbapFraming().frame(1, OPEN, 1))
    await site.log.until(lambda: site.log.requests)
    host.writer.close()
    await site.log.until(lambda: site.log.responses)
    assert [frame.fate for frame in site.log.responses] == [FrameFate.UNDELIVERED]
    assert [contact.closed for contact in site.log.contacts] == [True]


async def test_power_loss_silences_and_drops_hosts(site: ModbusSite, connect: Connect) -> None:
    host = await connect()
    site.inject(PowerCut())
    host.writer.write(MbapFraming().frame(1, READ, 1))
    await site.log.until(lambda: site.log.requests)
    site.clear_faults()
    assert await host.ended()
    assert [frame.fate for frame in site.log.frames] == [FrameFate.NOT_RECEIVED]


async def test_occupied_port_is_reported(site: ModbusSite) -> None:
    with pytest.raises(SimulatorError, match=rf"port {site.port}: Address already in use"):
        async with ModbusSite.start(ModbusSettings(port=site.port)):
            pass


async def test_manual_time_over_real_connection() -> None:
    time = ManualClock()
    async with ModbusSite.start(timeline=time) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        host = TcpHost(reader, writer)
        host.writer.write(MbapFraming().frame(1, OPEN, 1))
        assert await host.read(12) == MbapFraming().frame(1, OPEN, 1)
        time.advance(3600)
        host.writer.write(MbapFraming().frame(1, b"\x02\0\0\0\x02", 2))
        assert await host.read(10) == MbapFraming().frame(1, b"\x02\x01\x01", 2)
        assert site.log.responses[-1].at_s == 3600
        writer.close()


# A serial line


async def test_frame_on_line_is_answered(line: ModbusSite, port: Host) -> None:
    port.write(RtuFraming().frame(1, READ))
    assert await port.read(6) == RtuFraming().frame(1, READ_ANSWER)
    assert [(c.number, c.opened) for c in line.log.connections] == [(1, True)]
    request, response = line.log.frames
    assert response.at_s - request.at_s >= QUIET_S  # a frame arrives before the silence that ends it


async def test_silence_separates_frames_and_noise(line: ModbusSite, port: Host) -> None:
    port.write(b"\xff\x00noise")
    await line.log.until(lambda: len(line.log.requests) == 1)
    port.write(RtuFraming().frame(1, READ)[:-1])
    await line.log.until(lambda: len(line.log.requests) == 2)
    port.write(RtuFraming().frame(1, READ))
    assert await port.read(6) == RtuFraming().frame(1, READ_ANSWER)
    assert [frame.fate for frame in line.log.requests] == [
        FrameFate.DAMAGED,
        FrameFate.DAMAGED,
        FrameFate.RECEIVED,
    ]


@pytest.mark.parametrize("cut", range(1, 8))
async def test_pulse_cut_anywhere_moves_nothing(line: ModbusSite, port: Host, cut: int) -> None:
    port.write(RtuFraming().frame(1, OPEN)[:cut])
    await line.log.until(lambda: line.log.requests)
    assert not line.log.actuations
    assert not line.log.contacts


async def test_host_at_another_rate_is_ignored(line: ModbusSite, plug_host: Callable[[Path], Host]) -> None:
    assert line.settings.path is not None
    host = plug_host(line.settings.path)
    host.port.baudrate = 19200
    host.write(RtuFraming().frame(1, OPEN))
    await line.log.until(lambda: line.log.requests)
    (frame,) = line.log.requests
    assert (frame.fate, frame.is_actuation) == (FrameFate.NOT_RECEIVED, True)
    host.port.baudrate = 9600
    host.write(RtuFraming().frame(1, READ))
    assert await host.read(6) == RtuFraming().frame(1, READ_ANSWER)


async def test_wrong_crc_and_noise_reach_host(line: ModbusSite, port: Host) -> None:
    line.inject(WrongCrc())
    port.write(RtuFraming().frame(1, READ))
    damaged = await port.read(6)
    assert damaged[:5] == RtuFraming().frame(1, READ_ANSWER)[:5]
    assert damaged[5] ^ 0xFF == RtuFraming().frame(1, READ_ANSWER)[5]
    noise = Noise(size=20, seed=3)
    line.inject(noise)
    assert await port.read(20) == noise.data
    assert [frame.fate for frame in line.log.responses] == [FrameFate.DAMAGED, FrameFate.DAMAGED]


async def test_no_answer_is_left_for_next_request(line: ModbusSite, port: Host) -> None:
    line.inject(LostReply())
    line.inject(BoardsHung(for_s=1))
    port.write(RtuFraming().frame(1, OPEN))
    await line.log.until(lambda: line.log.requests)
    assert line.log.requests[0].fate is FrameFate.NOT_RECEIVED
    await line.log.until(lambda: line.log.machine_events("mended"))
    port.write(RtuFraming().frame(1, READ))
    await line.log.until(lambda: line.log.responses)
    port.write(RtuFraming().frame(1, READ))
    assert await port.read(6) == RtuFraming().frame(1, READ_ANSWER)
    assert [frame.fate for frame in line.log.responses] == [FrameFate.SUPPRESSED, FrameFate.SENT]


async def test_cable_is_pulled_and_plugged_in(
    line: ModbusSite, port: Host, plug_host: Callable[[Path], Host]
) -> None:
    assert line.settings.path is not None
    port.write(RtuFraming().frame(1, READ))
    assert await port.read(6) == RtuFraming().frame(1, READ_ANSWER)
    line.inject(Unplug(for_s=0.05))
    assert not line.settings.path.is_symlink()
    assert await port.read_until_gone() == b""
    with pytest.raises(serial.SerialException):
        Host(line.settings.path)
    async with asyncio.timeout(PATIENCE_S):
        while not line.settings.path.is_symlink():
            await asyncio.sleep(0.01)
    back = plug_host(line.settings.path)
    back.write(RtuFraming().frame(1, READ))
    assert await back.read(6) == RtuFraming().frame(1, READ_ANSWER)
    assert [(c.number, c.opened) for c in line.log.connections] == [(1, True), (1, False), (2, True)]


async def test_serial_line_cannot_hang_up(line: ModbusSite) -> None:
    with pytest.raises(SimulatorError, match="hang-up: a serial line"):
        line.inject(HangUp())


async def test_occupied_path_is_reported(tmp_path: Path) -> None:
    (tmp_path / "board").write_text("mine")
    with pytest.raises(SimulatorError, match="exists and does not belong to a simulator"):
        async with ModbusSite.start(ModbusSettings(path=tmp_path / "board")):
            pass
