"""A host in the same process and event loop, for tests without a USB stack."""

import asyncio
import errno
import os
import struct

from simulators.usb.device import DIRECTION_IN, Transfer, UsbDevice

CLEAR_FEATURE, ENDPOINT_HALT, ENDPOINT_RECIPIENT = 0x01, 0x00, 0x02


class Host:
    """A host of one device. Failures raise OSError with the errno of Linux's usbfs."""

    def __init__(self, device: UsbDevice) -> None:
        self.device = device

    async def control(
        self, request_type: int, request: int, value: int, index: int, data_or_length: bytes | int = b""
    ) -> bytes:
        """Do one control transfer, as pyusb's `ctrl_transfer`: data to send, or maximum length to receive."""
        sends = isinstance(data_or_length, int)
        length = data_or_length if isinstance(data_or_length, int) else len(data_or_length)
        setup = struct.pack("<BBHHH", request_type, request, value, index, length)
        data = b"" if isinstance(data_or_length, int) else data_or_length
        return await self.submit(Transfer(DIRECTION_IN if sends else 0, length, setup, data))

    async def read(self, endpoint: int, length: int, timeout_s: float | None = None) -> bytes:
        """Return data of an endpoint; ETIMEDOUT if it takes longer than `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.submit(Transfer(endpoint, length))
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None

    async def write(self, endpoint: int, data: bytes) -> None:
        """Send to an endpoint."""
        await self.submit(Transfer(endpoint, len(data), data=data))

    async def clear_halt(self, endpoint: int) -> None:
        """Clear the halt of a stalled endpoint."""
        await self.control(ENDPOINT_RECIPIENT, CLEAR_FEATURE, ENDPOINT_HALT, endpoint)

    async def submit(self, transfer: Transfer) -> bytes:
        """Perform a transfer; cancel it when the task is cancelled."""
        over: asyncio.Future[Transfer] = asyncio.get_running_loop().create_future()

        def completed(transfer: Transfer) -> None:
            if not over.done():
                over.set_result(transfer)

        number = self.device.submit(transfer, completed)
        try:
            await over
        finally:
            self.device.cancel(number)
        if transfer.status:
            raise OSError(-transfer.status, os.strerror(-transfer.status))
        return transfer.received
