"""A relay board by pymodbus's own server, over TCP and RTU, with timed pulses."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest, WriteSingleCoilResponse
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.links.serial_line import SerialLine


class CoilAnswer(WriteSingleCoilResponse):
    """Response to function 05 of boards with a pulse: the value of the request."""

    value = 0

    def encode(self) -> bytes:
        return struct.pack(">HH", self.address, self.value)


class CoilRequest(WriteSingleCoilRequest):
    """Function 05, whose value pymodbus reads as on or off."""

    value = 0

    def decode(self, data: bytes) -> None:
        super().decode(data)
        (self.value,) = struct.unpack(">H", data[2:4])
        PymodbusBoard.values.append((self.address, self.value))

    async def datastore_update(self, context: Any, device_id: int) -> ModbusPDU:
        answer = await super().datastore_update(context, device_id)
        if answer.isError():
            return answer
        told = CoilAnswer(address=self.address, bits=self.bits, dev_id=self.dev_id)
        told.value = self.value
        return told


@dataclass
class PymodbusBoard:
    """Eight relays and inputs, the inputs alternately open and closed, as unit 1."""

    port: str = ""
    heard: list[tuple[int, int, int]] = field(default_factory=list)
    """Function, address and count of every request."""
    values = []  # noqa: RUF012 - pymodbus makes the messages, and passes nothing on to them

    async def action(
        self, function: int, _start: int, address: int, count: int, _now: list[int], _new: list[int] | None
    ) -> ExcCodes | None:
        self.heard.append((function, address, count))
        return None

    def device(self) -> SimDevice:
        relays = [
            SimData(0, values=[False] * 8, datatype=DataType.BITS),
            SimData(0x0200, values=[False] * 8, datatype=DataType.BITS),
        ]
        inputs = [SimData(0, values=[n % 2 == 1 for n in range(8)], datatype=DataType.BITS)]
        registers = [
            SimData(0x1000, values=[0] * 8, datatype=DataType.REGISTERS),
            SimData(0x8000, values=[100], datatype=DataType.REGISTERS),
        ]
        others = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
        return SimDevice(id=1, simdata=(relays, inputs, registers, others), action=self.action)


@asynccontextmanager
async def over_tcp() -> AsyncIterator[PymodbusBoard]:
    board = PymodbusBoard()
    PymodbusBoard.values.clear()
    server = ModbusTcpServer(board.device(), address=("127.0.0.1", 0), custom_pdu=[CoilRequest])
    await server.serve_forever(background=True)
    board.port = f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
    try:
        yield board
    finally:
        await server.shutdown()


@asynccontextmanager
async def over_rtu(folder: Path) -> AsyncIterator[PymodbusBoard]:
    """The server opens one pty and the link another; bytes are copied between them."""
    board = PymodbusBoard()
    PymodbusBoard.values.clear()
    async with SerialLine.open_at(folder / "theirs") as theirs, SerialLine.open_at(folder / "ours") as ours:
        theirs.on_received = lambda data: ours.call_soon(ours.send(data))
        ours.on_received = lambda data: theirs.call_soon(theirs.send(data))
        server = ModbusSerialServer(
            board.device(), port=str(theirs.path), baudrate=9600, custom_pdu=[CoilRequest]
        )
        await server.serve_forever(background=True)
        await theirs.wait_for_host()
        board.port = str(ours.path)
        try:
            yield board
        finally:
            await server.shutdown()
            await asyncio.sleep(0)
