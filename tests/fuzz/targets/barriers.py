"""Answers of barriers' boards and of card readers."""

import asyncio
from typing import Any

from drivers.access.osdp.channel import OsdpChannel
from drivers.access.osdp.driver import INPUTS, LOCAL, OUTPUTS, UNKNOWN_STATUS, _changed
from drivers.access.osdp.frames import describe_osdp
from drivers.barrier.commands import OpenBarrier
from drivers.barrier.modbus_barrier import ModbusBarrier
from drivers.barrier.serial_relay import SerialRelay
from drivers.links.link import LinkError
from drivers.links.modbus.framing import (
    SerialResponseReader,
    StreamDesynchronised,
    TcpMessageReader,
    serial_frame,
    tcp_frame,
)
from drivers.links.modbus.pdu import (
    Function,
    Identify,
    ModbusExceptionResponse,
    ReadBits,
    ReadRegisters,
    WriteSingle,
    parse_response,
)
from drivers.links.recording.recording import Recording
from fuzz.scripted_links import (
    CUT,
    RECORDINGS,
    SILENT,
    ScriptedLine,
    ScriptedLinkFactory,
    recorded,
    run_driver,
)
from fuzz.target import target

WIRED: dict[str, Any] = Recording.from_text((RECORDINGS / "barrier/waveshare.rec").read_text()).settings
SCRIPT = recorded("barrier/waveshare.rec")[0].replace(CUT, SILENT)
OPEN = ("open", OpenBarrier())
REQUESTS = (
    ReadBits(Function.READ_COILS, 0, 8),
    ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 2),
    WriteSingle(Function.WRITE_COIL, 0, 0xFF00),
    Identify(),
)


def _board(**board: Any) -> dict[str, Any]:
    return {**WIRED, "board": {**WIRED["board"], **board}}


@target(seeds=(SCRIPT[:3000],), words=(SILENT, *SCRIPT.split(SILENT)[:4]))
def waveshare_on_a_line(data: bytes) -> None:
    run_driver(ModbusBarrier, _board(port="/dev/ttyFUZZ"), ScriptedLinkFactory(data), OPEN)


def _over_tcp(script: bytes) -> bytes:
    """Return the same answers with their numbers over TCP; the first is the identification."""
    pdus = [bytes.fromhex("2b0e0101000002000141000142"), *(p[1:-2] for p in script.split(SILENT))]
    return SILENT.join(tcp_frame(number, 1, pdu) for number, pdu in enumerate(pdus, start=1))


@target(seeds=(_over_tcp(SCRIPT[:1500]),), words=(SILENT, CUT, b"\0\0\0", tcp_frame(1, 1, b"\xab\x01")))
def waveshare_over_tcp(data: bytes) -> None:
    run_driver(ModbusBarrier, _board(port="tcp://192.0.2.1"), ScriptedLinkFactory(data), OPEN)


@target(seeds=(tcp_frame(1, 1, b"\1\1\0") + tcp_frame(2, 1, b"\x81\2"),))
def modbus_tcp(data: bytes) -> None:
    messages = TcpMessageReader()
    try:
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            for message in messages.feed(half):
                for request in REQUESTS:
                    try:
                        parse_response(request, message.pdu)
                    except ModbusExceptionResponse as refused:
                        str(refused)
    except StreamDesynchronised:
        return


@target(seeds=(serial_frame(1, b"\1\1\0"), serial_frame(1, b"\x81\2"), serial_frame(1, b"\3\4\0\1\0\2")))
def modbus_rtu(data: bytes) -> None:
    for request in REQUESTS:
        for pdu in SerialResponseReader(1, request).feed(data):
            try:
                parse_response(request, pdu)
            except ModbusExceptionResponse as refused:
                str(refused)


NUMATO = {
    "board": {
        "model": "numato",
        "port": "/dev/ttyFUZZ",
        "relays": 4,
        "inputs": 8,
        "inputs_open_when_cut": True,
        "time_relay_s": 1,
    }
}
LINES = (b"?\n\r>", b"ver\n\r00000008\n\r>", b"id get\n\r00000000\n\r>", b"relay readall\n\r0\n\r>")
READS = tuple(b"gpio read %d\n\r%d\n\r>" % (n, n in (0, 7)) for n in range(8))


@target(
    seeds=(SILENT.join((*LINES, *READS, LINES[3], *READS)),), words=(SILENT, CUT, *LINES, *READS, b"\n\r>")
)
def numato(data: bytes) -> None:
    run_driver(SerialRelay, {**WIRED, **NUMATO}, ScriptedLinkFactory(data), OPEN)


@target(seeds=recorded("access/osdp.rec"), words=(b"\x53\xe5", b"\x50\0", b"\x45", b"\x46", b"\x48"))
def osdp_frames(data: bytes) -> None:
    channel = OsdpChannel(101)
    for half in (data[: len(data) // 2], data[len(data) // 2 :]):
        channel.feed(half)
    channel.read(4096)
    channel.write(data)
    describe_osdp("in", data)
    for what in (INPUTS, OUTPUTS, LOCAL):
        _changed(UNKNOWN_STATUS, what, data[:32]).model_dump_json()


@target(seeds=(recorded("access/osdp.rec")[0][:60].replace(CUT, SILENT),), words=(SILENT, b"\x53\xe5"))
def osdp_panel(data: bytes) -> None:
    """Give libosdp the first answers of a reader; for more it would wait by its own clock."""
    asyncio.run(_panel(data))


async def _panel(data: bytes) -> None:
    from drivers.access.osdp.panel import ControlPanel

    panel = ControlPanel(ScriptedLine(b""), 101, None, "clear", 8.0)
    try:
        for piece in data.split(SILENT)[:4]:
            await panel.work()
            # With a valid check of frames, so that libosdp gets damaged content as well.
            panel.channel._received += piece
            await panel.work()
        assert panel.identity
        panel.capability(1)
    except LinkError:
        return
    finally:
        panel._panel.set_event_callback(lambda *_: 0)
