"""A host on a simulated line."""

import asyncio
from pathlib import Path

import serial
from support.patience import PATIENCE_S


class Host:
    """The host's end of the line: a pyserial port read without blocking the loop that runs the device."""

    def __init__(self, path: Path) -> None:
        self.port = serial.Serial(str(path), 9600, timeout=0, write_timeout=1, exclusive=True)

    def write(self, data: bytes) -> None:
        self.port.write(data)

    async def read(self, size: int) -> bytes:
        data = b""
        async with asyncio.timeout(PATIENCE_S):
            while len(data) < size:
                data += self.port.read(size - len(data))
                await asyncio.sleep(0.001)
        return data

    async def read_until_gone(self) -> bytes:
        """Read until the line is hung up."""
        data = b""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    data += self.port.read(4096)
                except serial.SerialException:
                    return data
                await asyncio.sleep(0.001)

    async def nothing_within(self, seconds: float = 0.1) -> bool:
        await asyncio.sleep(seconds)
        return not self.port.in_waiting

    def close(self) -> None:
        self.port.close()
