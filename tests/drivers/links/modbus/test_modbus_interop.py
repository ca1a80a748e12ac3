"""Our frames, heard by a board that was not written here (pymodbus's server)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus_board import PymodbusBoard, over_rtu, over_tcp

from drivers.barrier.boards.waveshare import WaveshareSettings
from drivers.links.factory import Links
from drivers.links.modbus.link import ModbusLink, ModbusSettings
from drivers.links.modbus.pdu import (
    Function,
    ModbusRefused,
    ReadBits,
    ReadRegisters,
    Write,
    WriteCoils,
)


@pytest.fixture(params=["tcp", "rtu"])
async def board(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PymodbusBoard]:
    async with over_tcp() if request.param == "tcp" else over_rtu(tmp_path) as board:
        yield board


@pytest.fixture
async def link(board: PymodbusBoard) -> AsyncIterator[ModbusLink]:
    links = Links()
    yield await links.modbus(ModbusSettings(port=board.port, answer_within_s=1))
    await links.close()


async def test_reads_and_writes(link: ModbusLink, board: PymodbusBoard) -> None:
    assert await link.ask(ReadBits(Function.READ_INPUTS, 0, 8)) == (False, True) * 4
    assert await link.ask(Write(Function.WRITE_COIL, 3, 0xFF00))
    assert await link.ask(WriteCoils(4, [True, True, False, True]))
    relays = await link.ask(ReadBits(Function.READ_COILS, 0, 8))
    assert relays == (False, False, False, True, True, True, False, True)
    assert await link.ask(Write(Function.WRITE_REGISTER, 0x1003, 2))
    assert await link.ask(ReadRegisters(Function.READ_HOLDING_REGISTERS, 0x1000, 8)) == (
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


async def test_a_timed_pulse_comes_as_it_was_meant(link: ModbusLink, board: PymodbusBoard) -> None:
    assert await link.ask(Write(Function.WRITE_COIL, 0x0203, 7))
    assert board.values == [(0x0203, 7)]


async def test_what_it_refuses_we_understand(link: ModbusLink) -> None:
    with pytest.raises(ModbusRefused, match="no such address") as refused:
        await link.ask(ReadBits(Function.READ_COILS, 0x0300, 8))
    assert refused.value.code == 2


async def test_a_whole_board_opens_senses_and_pulses_there(board: PymodbusBoard) -> None:
    links = Links()
    settings = WaveshareSettings(model="waveshare-8", port=board.port, answer_within_s=1)
    relays = settings.board(links)
    assert (await relays.open()).firmware == "1.00"
    assert not links.simulated or board.port.startswith("/")
    assert {function for function, *_ in board.heard} == {3}
    assert await relays.sense() == (False, True) * 4
    await relays.pulse(1, 0.5)
    assert board.values == [(0x0201, 5)]
    await relays.release()
    assert await relays.closed_relays() == (False,) * 8
    await relays.close()
    await links.close()
