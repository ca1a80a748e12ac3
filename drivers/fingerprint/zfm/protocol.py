"""Half-duplex protocol of a module: one instruction, its acknowledgement, and possibly data after it.

Nothing in a response identifies its instruction. An instruction without its response (of a cancelled capture)
is therefore counted as pending, and its response is read before the next instruction.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from drivers.driver import BadFrame
from drivers.fingerprint.zfm.codes import ConfirmationCode, Instruction
from drivers.fingerprint.zfm.packets import READY, Packet, PacketKind, PacketReader, encode_packet
from drivers.links.framing import OTHER_CONTENT, DamagedFrame
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import DTR_HINT, SerialLink

GAP_S = 0.25
"""Silence in the middle of a response after which the rest of it does not come, in seconds."""
LONGEST_IMAGE = 1 << 20
"""Upper bound on the size of an image, in bytes; no module has so large an image."""


class ZfmProtocol:
    """One open line to one module."""

    def __init__(
        self, link: SerialLink, address: int, response_timeout_s: float, noted: Callable[[BadFrame], None]
    ) -> None:
        """`response_timeout_s`: upper bound on the module's processing time of an instruction, in seconds."""
        self._link = link
        self._address = address
        self._answer_s = response_timeout_s
        self._noted = noted
        self._packets = PacketReader(address)
        self._received_packets: deque[Packet] = deque()
        self._expected_reply: Literal["nothing", "acknowledgement", "image"] = "nothing"
        self._sends_image = False
        self.has_received = False
        """True if any byte was received since the last instruction."""

    async def exchange(self, instruction: Instruction, parameters: bytes = b"") -> tuple[int, bytes]:
        """Send an instruction; return its confirmation code and the bytes after it; raises LinkError."""
        await self.drain()
        self._sends_image = instruction is Instruction.SEND_IMAGE
        self._expected_reply = "acknowledgement"
        self.has_received = False
        await self._link.write(
            encode_packet(PacketKind.COMMAND, bytes([instruction]) + parameters, self._address)
        )
        return await self._acknowledgement()

    async def _acknowledgement(self) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._answer_s):
                while True:
                    found = await self._packet()
                    if found is None:
                        continue
                    if found.kind is PacketKind.ACK and found.content:
                        break
                    # Of an image that an earlier owner of the line did not wait for.
                    self._noted(BadFrame(OTHER_CONTENT, found.wire))
        except TimeoutError:
            raise self._silence_error() from None
        code = found.content[0]
        self._expected_reply = "image" if self._sends_image and code == ConfirmationCode.OK else "nothing"
        return code, found.content[1:]

    async def read_image(self) -> bytes | None:
        """Return the data after an acknowledged SEND_IMAGE; None if they do not end."""
        data = bytearray()
        while (found := await self._packet()) is not None and len(data) < LONGEST_IMAGE:
            if found.kind in (PacketKind.DATA, PacketKind.LAST_DATA):
                data += found.content
            if found.kind is PacketKind.LAST_DATA:
                self._expected_reply = "nothing"
                return bytes(data)
        return None

    async def drain(self) -> None:
        """Read pending responses; raises LinkError if the module does not send them."""
        if self._expected_reply == "acknowledgement":
            await self._acknowledgement()
        if self._expected_reply == "image":
            while (found := await self._packet()) is not None and found.kind is not PacketKind.LAST_DATA:
                pass
            self._expected_reply = "nothing"

    async def silence(self) -> None:
        """Read until the line is silent: its earlier owner may have ended in the middle of a response."""
        self._expected_reply = "nothing"
        while await self._packet() is not None:
            pass

    async def listen(self, for_s: float) -> None:
        """Listen to a module at rest; raises LinkError when it is gone or restarts."""
        try:
            async with asyncio.timeout(for_s):
                while True:
                    found = await self._packet()
                    if found is not None:
                        self._noted(BadFrame(OTHER_CONTENT, found.wire))
        except TimeoutError:
            return

    async def _packet(self) -> Packet | None:
        """Return the next packet; None after a silence. Bytes outside packets are reported."""
        while not self._received_packets:
            try:
                async with asyncio.timeout(GAP_S):
                    chunk = await self._link.read()
            except TimeoutError:
                self._sort(self._packets.on_silence())
                if not self._received_packets:
                    return None
            else:
                self.has_received = True
                self._sort(self._packets.feed(chunk))
        return self._received_packets.popleft()

    def _sort(self, found: Iterable[Packet | DamagedFrame]) -> None:
        for each in found:
            match each:
                case Packet():
                    self._received_packets.append(each)
                case DamagedFrame(_, wire) if wire == READY:
                    raise LinkError(
                        Cause.LINK_FAILED,
                        "The module lost power for a moment and has started again.",
                        Action.WAIT,
                        "If this repeats, check its power supply.",
                    )
                case DamagedFrame(fault, wire):
                    self._noted(BadFrame(fault, wire))

    def _silence_error(self) -> LinkError:
        return LinkError(
            Cause.NO_RESPONSE,
            f"The module does not respond within {self._answer_s:g} seconds.",
            Action.CONFIGURE,
            "Check its power and its cable; then that `baud` and `address` are those of the module. "
            f"{DTR_HINT}",
        )
