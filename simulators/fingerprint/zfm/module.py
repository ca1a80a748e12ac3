"""A fingerprint module on a serial line: packets in, packets out, and its faults."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

from simulators.errors import SimulatorError
from simulators.faults import Fault, Noise, PendingFaults, ReadFault, Silence, Transmission, Unplug
from simulators.fingerprint.faults import DirtySensor, StuckFinger
from simulators.fingerprint.fingers import Finger, render_touch
from simulators.fingerprint.platen import Platen
from simulators.fingerprint.zfm.faults import WrongAnswer, WrongPassword
from simulators.fingerprint.zfm.firmware import BAUD_STEP, PACKET_SIZES, Firmware, Memory, Reply
from simulators.fingerprint.zfm.packets import Decoder, Kind, Packet, data_packets
from simulators.fingerprint.zfm.profiles import PROFILES, Answer
from simulators.fingerprint.zfm.templates import FILE_BYTES, characters
from simulators.links.serial_line import SerialLine

READY = b"\x55"
START_S = 0.05
BITS_A_BYTE = 10
"""Eight data bits, a start bit and a stop bit."""
PACED_BYTES = 64
RESULT_BYTES = {0x03: 2, 0x04: 4, 0x1B: 4}
"""Size of the results in answers that contain them even for a refusal."""


class ZfmModule:
    """One module. Once started it serves its line, which must have been entered, until that is closed.

    `capture_s`: time for a look at the finger, in seconds. `wire_speed`: bytes take time as at the rate.
    """

    def __init__(
        self,
        line: SerialLine,
        model: str = "zfm-20",
        *,
        memory: Memory | None = None,
        seed: int = 0,
        capture_s: float = 0.1,
        wire_speed: bool = False,
    ) -> None:
        self.line = line
        self.profile = PROFILES[model]
        self.platen = Platen(self.profile.sensor)
        self.memory = memory or Memory()
        self.firmware = Firmware(self.profile, self.platen, self.memory, Random(f"{seed}/zfm"))
        self.capture_s = capture_s
        self.wire_speed = wire_speed
        self.faults = PendingFaults()
        self.commands = 0
        """Number of commands executed or refused."""
        self._decoder = Decoder()
        self._inbox: asyncio.Queue[Packet] = asyncio.Queue()
        self._receiving: tuple[Callable[[bytes], None], bytearray] | None = None
        self._baud = self.memory.baud_factor * BAUD_STEP
        self._mute_until = 0.0
        line.on_received = self._received

    def start(self) -> None:
        """Start to serve the line."""
        self.line.call_soon(self._serve())

    def enrol_finger(self, page: int, finger: Finger) -> None:
        """Store a finger in the library, as enrolled before."""
        sensor = self.profile.sensor
        touches = (finger.touch(-number - 1) for number in range(self.profile.placements))
        files = (characters(render_touch(touch, sensor) >> 4, sensor.ppi).file for touch in touches)
        self.memory.library[page] = b"".join(files).ljust(FILE_BYTES * self.profile.placements, b"\0")

    @property
    def baud(self) -> int:
        """Baud rate of the module."""
        return self._baud

    async def inject(self, fault: Fault) -> None:
        """Inject a fault, which applies now or to the next answers, depending on its kind."""
        loop = asyncio.get_running_loop()
        match fault:
            case Unplug(for_s=for_s):
                self.line.unplug(for_s)
                self._power_up()
            case Noise():
                await self.line.send(fault.data)
            case Silence(for_s=float(for_s)):
                self._mute_until = loop.time() + for_s
            case WrongPassword(password=password):
                self.memory.password = password
                self._power_up()
            case StuckFinger(for_s=for_s):
                self.platen.set_stuck(True)
                if for_s is not None:
                    self.line.call_soon(self._after(for_s, lambda: self.platen.set_stuck(False)))
            case DirtySensor(for_s=for_s):
                self.platen.set_dirty(True)
                if for_s is not None:
                    self.line.call_soon(self._after(for_s, lambda: self.platen.set_dirty(False)))
            case ReadFault():
                self.faults.add(fault)
            case _:
                raise SimulatorError(f"{self.profile.model} cannot have {type(fault).__name__}")

    def clear_faults(self, password: int) -> None:
        """Discard pending faults, end lasting ones, and plug in the cable; `password` is its own again."""
        self.faults.clear()
        self._mute_until = 0.0
        self.platen.set_stuck(False)
        self.platen.set_dirty(False)
        if self.memory.password != password:
            self.memory.password = password
            self._power_up()
        self.line.replug()

    async def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        await asyncio.sleep(delay_s)
        action()

    def _power_up(self) -> None:
        self.firmware.power_up()
        self._receiving = None
        self._decoder.clear()
        self._baud = self.memory.baud_factor * BAUD_STEP

    # Packets.

    def _received(self, data: bytes) -> None:
        if self.line.baud not in (None, self._baud):
            self._decoder.clear()  # at another rate it is noise
            return
        for packet in self._decoder.feed(data):
            self._inbox.put_nowait(packet)

    async def _serve(self) -> None:
        while True:
            packet = await self._inbox.get()
            if packet.address != self.memory.address:
                continue
            if packet.kind == Kind.COMMAND:
                self._receiving = None
                await self._execute(packet)
            elif self._receiving is not None and packet.kind in (Kind.DATA, Kind.LAST_DATA):
                self._take(packet)

    def _take(self, packet: Packet) -> None:
        """Take a data packet of the host; a damaged one invalidates all."""
        assert self._receiving is not None
        receive, so_far = self._receiving
        if not packet.sound:
            self._receiving = None
            return
        so_far += packet.content
        if packet.kind == Kind.LAST_DATA:
            self._receiving = None
            receive(bytes(so_far))

    async def _execute(self, packet: Packet) -> None:
        self.commands += 1
        faults = self.faults.take()
        reply = Reply(Answer.PACKET_ERROR)
        if packet.sound:
            refusals = [fault.code for fault in faults if isinstance(fault, WrongAnswer)]
            reply = Reply(refusals[0]) if refusals else self.firmware.handle_command(packet.content)
        if reply.looks:
            await asyncio.sleep(self.capture_s)
        if reply.receive is not None:
            self._receiving = (reply.receive, bytearray())
        results = RESULT_BYTES.get(packet.content[0], 0) if packet.content else 0
        content = bytes([reply.code]) + reply.content.ljust(results, b"\0")
        sent = Transmission(Packet(self.memory.address, Kind.ACKNOWLEDGE, content).encode())
        if reply.data is not None:
            size = PACKET_SIZES[self.memory.packet_code]
            sent = replace(
                sent, data=sent.data + b"".join(data_packets(self.memory.address, reply.data, size))
            )
        for fault in faults:
            sent = fault.frame(sent)
        await self._send(sent)
        self._baud = self.memory.baud_factor * BAUD_STEP
        if reply.resets:
            self.firmware.power_up()
            await asyncio.sleep(START_S)
            await self.line.send(READY)

    async def _send(self, sent: Transmission) -> None:
        await asyncio.sleep(sent.delay_s)
        if sent.is_suppressed or asyncio.get_running_loop().time() < self._mute_until:
            return
        chunk, every_s = sent.chunk, sent.every_s
        if self.wire_speed and chunk is None:
            chunk, every_s = PACED_BYTES, PACED_BYTES * BITS_A_BYTE / self._baud
        await self.line.send(sent.data, chunk=chunk, every_s=every_s)
        if sent.then_unplug:
            # A pulled cable discards unread bytes; the host must have those before the cut.
            await self.line.wait_drained()
            self.line.unplug(sent.unplug_for_s)
            self._power_up()
