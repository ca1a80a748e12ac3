"""Interoperability of the link with pymodbus's server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus_board import PymodbusBoard, over_rtu, over_tcp

from drivers.barrier.boards.waveshare import WaveshareSettings
from drivers.links.factory import LinkFactory
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import (
    Function,
    ModbusExceptionResponse,
    ReadBits,
    ReadRegisters,
    WriteCoils,
    WriteSingle,
)


@pytest.fixture(params=["tcp", "rtu"])
async def board(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PymodbusBoard]:
    async with over_tcp() if request.param == "tcp" else over_rtu(tmp_path) as board:
        yield board


@pytest.fixture
async def link(board: PymodbusBoard) -> AsyncIterator[ModbusLink]:
    links = LinkFactory()
    yield await links.modbus(ModbusSettings(port=board.port, response_timeout_s=1))
    await links.close()


async def test_reads_and_writes(link: ModbusLink, board: PymodbusBoard) -> None:
    assert await link.request(ReadBits(Function.READ_INPUTS, 0, 8)) == (False, True) * 4
    assert await link.request(WriteSingle(Function.WRITE_COIL, 3, 0xFF00))
    assert await link.request(WriteCoils(4, [True, True, False, True]))
    relays = await link.request(ReadBits(Function.READ_COILS, 0, 8))
    assert relays == (False, False, False, True, True, True, False, True)
    assert await link.request(WriteSingle(Function.WRITE_REGISTER, 0x1003, 2))
    assert await link.request(ReadRegisters(Function.READ_HOLDING_REGISTERS, 0x1000, 8)) == (
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        0,
    )
    assert [function for function, *_ in board.heard if function in (5, 15)].count(15) == 1


async def test_timed_pulse_has_its_duration(link: ModbusLink, board: PymodbusBoard) -> None:
    assert await link.request(WriteSingle(Function.WRITE_COIL, 0x0203, 7))
    assert board.values == [(0x0203, 7)]


async def test_exception_of_pymodbus_is_parsed(link: ModbusLink) -> None:
    with pytest.raises(ModbusExceptionResponse, match="no such address") as refused:
        await link.request(ReadBits(Function.READ_COILS, 0x0300, 8))
    assert refused.value.code == 2


async def test_board_driver_works_with_pymodbus(board: PymodbusBoard) -> None:
    links = LinkFactory()
    settings = WaveshareSettings(model="waveshare-8", port=board.port)
    relays = settings.build(links)
    assert (await relays.open()).firmware == "1.00"
    assert not links.is_simulated or board.port.startswith("/")
    assert {function for function, *_ in board.heard} == {1, 3}  # reads alone
    assert await relays.read_inputs() == (False, True) * 4
    await relays.pulse_relay(1, 0.5)
    assert board.values == [(0x0201, 5)]
    await relays.open_all_relays()
    assert await relays.read_relays() == (False,) * 8
    await relays.close()
    await links.close()
