"""The Modbus simulators with an independent client (pymodbus)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.bit_message import WriteSingleCoilRequest

from simulators.barrier.bus_faults import ExceptionReply, LostReply, WrongCrc
from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.wirelog import Effect, FrameFate

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class FlashOn(WriteSingleCoilRequest):
    """Function 05 with an arbitrary value; pymodbus has only on and off."""

    def __init__(self, relay: int, tenths: int) -> None:
        super().__init__(address=0x0200 + relay, bits=[True], dev_id=1)
        self.tenths = tenths

    def encode(self) -> bytes:
        return self.address.to_bytes(2, "big") + self.tenths.to_bytes(2, "big")


@asynccontextmanager
async def client_of(site: ModbusSite) -> AsyncIterator[Client]:
    client: Client
    if site.settings.path is None:
        client = AsyncModbusTcpClient("127.0.0.1", port=site.port, retries=0, timeout=5, reconnect_delay=0)
    else:
        client = AsyncModbusSerialClient(
            str(site.settings.path), baudrate=9600, retries=0, timeout=5, reconnect_delay=0
        )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(params=["tcp", "rtu"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ModbusSite]:
    # A silence longer than the interruptions of one write on a busy machine.
    path = tmp_path / "board" if request.param == "rtu" else None
    async with ModbusSite.start(ModbusSettings(path=path, quiet_s=0.02 if path else None)) as site:
        yield site


async def test_reads_coils_inputs_and_registers(site: ModbusSite) -> None:
    async with client_of(site) as client:
        inputs = await client.read_discrete_inputs(0, count=8, device_id=1)
        assert inputs.bits == [False, True, False, False, True, True, True, True]
        assert (await client.read_coils(0, count=8, device_id=1)).bits == [False] * 8
        assert (await client.read_holding_registers(0x1000, count=8, device_id=1)).registers == [0] * 8
        assert (await client.read_holding_registers(0x8000, count=1, device_id=1)).registers == [100]
    assert [frame.effect for frame in site.log.requests] == [Effect.NONE] * 4
    assert all(len(site.log.answers_to(frame)) == 1 for frame in site.log.requests)


async def test_writes_coils(site: ModbusSite) -> None:
    async with client_of(site) as client:
        await client.write_coil(3, True, device_id=1)
        assert (await client.read_coils(0, count=8, device_id=1)).bits[3]
        await client.write_coils(0, [True, False, False, False], device_id=1)
        assert (await client.read_coils(0, count=8, device_id=1)).bits[:4] == [True, False, False, False]
        await client.write_coil(0x00FF, False, device_id=1)
        assert not any((await client.read_coils(0, count=8, device_id=1)).bits)
    assert [frame.effect for frame in site.log.output_writes] == [
        Effect.ENERGISE,
        Effect.ENERGISE,
        Effect.RELEASE,
    ]


async def test_flash_ends_and_opens_boom(site: ModbusSite) -> None:
    async with client_of(site) as client:
        answer = await client.execute(False, FlashOn(0, 2))
        assert not answer.isError()
        assert (await client.read_coils(0, count=1, device_id=1)).bits[0]
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert not (await client.read_coils(0, count=1, device_id=1)).bits[0]
    on, off = site.log.contacts
    assert (on.closed, off.closed) == (True, False)
    assert off.at_s - on.at_s == pytest.approx(0.2, abs=0.15)
    (actuation,) = site.log.actuations
    assert actuation.meaning == "relay 0 on for 0.2 s"
    assert site.log.machine_events("motion", towards="opening", by="motor")


async def test_refusal_is_exception_to_client(site: ModbusSite) -> None:
    async with client_of(site) as client:
        assert (await client.read_input_registers(0, count=1, device_id=1)).exception_code == 1
        assert (await client.read_coils(6, count=8, device_id=1)).exception_code == 2
        assert (await client.execute(False, FlashOn(0, 0x8000))).exception_code == 3
        site.inject(ExceptionReply(code=6))
        assert (await client.write_coil(0, True, device_id=1)).exception_code == 6
    assert not site.log.contacts


async def test_lost_reply_is_timeout_but_relay_moved(site: ModbusSite) -> None:
    async with client_of(site) as client:
        client.ctx.comm_params.timeout_connect = 0.2
        site.inject(LostReply(of="writes"))
        assert not any((await client.read_coils(0, count=8, device_id=1)).bits)
        with pytest.raises(ModbusIOException):
            await client.write_coil(0, True, device_id=1)
        assert (await client.read_coils(0, count=1, device_id=1)).bits[0]
    (actuation,) = site.log.actuations
    assert [answer.fate for answer in site.log.answers_to(actuation)] == [FrameFate.SUPPRESSED]


async def test_wrong_crc_is_no_answer_to_client(tmp_path: Path) -> None:
    settings = ModbusSettings(path=tmp_path / "board", quiet_s=0.02)
    async with ModbusSite.start(settings) as site, client_of(site) as client:
        client.ctx.comm_params.timeout_connect = 0.2
        site.inject(WrongCrc())
        with pytest.raises(ModbusIOException):
            await client.read_coils(0, count=8, device_id=1)
        assert not (await client.read_coils(0, count=8, device_id=1)).isError()


async def test_device_identification_is_refused(site: ModbusSite) -> None:
    async with client_of(site) as client:
        answer = await client.read_device_information(read_code=1, device_id=1)
        assert answer.information == {0: b"borderpost simulators", 1: b"waveshare-8", 2: b"SIM"}


async def test_pymodbus_repeats_write_after_lost_answer(site: ModbusSite) -> None:
    """Confirm the sheet's measurement in our log: why commands must never use a client that retries."""
    async with client_of(site) as client:
        client.ctx.comm_params.timeout_connect = 0.1
        client.ctx.retries = 3
        site.inject(LostReply(of="writes", exchanges=3))
        await client.write_coil(0, True, device_id=1)
    assert len(site.log.actuations) == 4
