"""KMtronic's RS-485 relay boards: eight relays, functions 01, 05 and 0F, no inputs, no pulse, no watchdog.

Source: the maker's page on its Modbus relays: 9600 8N1, coils 0 to 7, address by switches.
"""

from typing import ClassVar

from simulators.barrier.boards.modbus_board import BoardOperation, ModbusBoard
from simulators.barrier.modbus.pdu import (
    ExceptionCode,
    Function,
    Identify,
    ModbusRefusal,
    Read,
    Request,
    WriteMany,
    WriteOne,
)
from simulators.barrier.timeline import Timeline
from simulators.barrier.wirelog import WireLog


class KMtronic(ModbusBoard):
    """The board with eight."""

    model: ClassVar[str] = "kmtronic-8"

    def __init__(self, unit: int, timeline: Timeline, log: WireLog, *, baud: int = 9600) -> None:
        super().__init__(unit, 8, 0, timeline, log, baud)

    def plan_request(self, request: Request) -> BoardOperation:
        """See `ModbusBoard`."""
        match request:
            case Read(Function.READ_COILS):
                return self.read_relays(request)
            case WriteOne(Function.WRITE_SINGLE_COIL):
                return self.write_relay(request)
            case WriteMany(Function.WRITE_MULTIPLE_COILS):
                return self.write_relays(request)
            case Identify():
                return self.identify(request)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)
