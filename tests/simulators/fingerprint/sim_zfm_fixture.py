"""A simulated module on a pty, and a host that speaks its packets."""

import asyncio
from pathlib import Path

from sim_host import Host
from support.patience import PATIENCE_S

from simulators.fingerprint.zfm.packets import Decoder, Kind, Packet


class ZfmHost(Host):
    """A host that sends commands and waits for packets."""

    address = 0xFFFFFFFF

    def __init__(self, path: Path, baud: int = 57600) -> None:
        super().__init__(path)
        self.port.baudrate = baud
        self._decoder = Decoder()
        self._waiting: list[Packet] = []

    async def packet(self) -> Packet:
        async with asyncio.timeout(PATIENCE_S):
            while not self._waiting:
                self._waiting += self._decoder.feed(self.port.read(4096))
                await asyncio.sleep(0.001)
        return self._waiting.pop(0)

    async def command(self, *content: int) -> bytes:
        """Send a command; return the content of its acknowledgement."""
        self.write(Packet(self.address, Kind.COMMAND, bytes(content)).encode())
        packet = await self.packet()
        assert (packet.kind, packet.sound) == (Kind.ACKNOWLEDGE, True)
        return packet.content

    async def data(self) -> bytes:
        """Return the data that follow an acknowledgement."""
        whole = b""
        while True:
            packet = await self.packet()
            assert packet.sound
            whole += packet.content
            if packet.kind == Kind.LAST_DATA:
                return whole
            assert packet.kind == Kind.DATA

    async def send_data(self, data: bytes, size: int = 128) -> None:
        for at in range(0, len(data), size):
            kind = Kind.DATA if at + size < len(data) else Kind.LAST_DATA
            packet = Packet(self.address, kind, data[at : at + size]).encode()
            # In a thread: a full pty blocks the writer until the module, which runs here, has read.
            await asyncio.to_thread(self.write, packet)
