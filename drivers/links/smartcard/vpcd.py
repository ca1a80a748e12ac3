"""Chips of a simulated post: a slot over TCP, which needs neither a smart card service nor its libraries.

Source: vsmartcard, protocol of vpcd. A message is a 16-bit big-endian length and that many bytes. One byte
is a control: 00 power off, 01 power on, 02 reset, none of them answered, and 04, answered with the ATR.
Longer messages are APDUs, answered with the reply. A closed connection is a card that was removed. Here the
card's side listens; it closes a connection at once while no card is there.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from drivers.links.address import VPCD_ADDRESS
from drivers.links.link import Action, Cause, LinkError, Tap
from drivers.links.smartcard.errors import CardUnavailable
from drivers.links.tcp import connect_failure, open_socket

CONNECT_S = 2.0
ANSWER_S = 20.0
"""Time for the answer of a chip, in seconds: a slow one takes several for a long command."""
POLL_S = 0.05
_POWER_ON, _ATR = b"\x01", b"\x04"
Result = TypeVar("Result")


class VpcdLink:
    """One slot of a simulated post: an async context manager."""

    is_simulated = True
    is_mute = False
    """True if a card that was there last did not respond; such a card of this slot does not even power up."""

    def __init__(self, address: str, tap: Tap) -> None:
        found = VPCD_ADDRESS.fullmatch(address)
        assert found is not None
        self.name = address
        self._host, self._port = found["host"].strip("[]"), int(found["port"])
        self._tap = tap
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vpcd")
        self._loop = asyncio.get_running_loop()
        self._card: VpcdCard | None = None

    async def __aenter__(self) -> Self:
        """Find the slot; raises LinkError."""
        try:
            (await self._connected()).close()
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect from the card."""
        if self._card is not None:
            self._card.abandon()
            await self.run_blocking(self._card.release)
        await self._loop.run_in_executor(None, self._thread.shutdown)

    async def wait_for_card(self, timeout_s: float) -> "VpcdCard | None":
        """Wait for a card and power it up; None when there is none in time. Raises LinkError."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._card = VpcdCard(await self._connected(), self._connect_again, self._tap)
            if await self.run_blocking(self._card.power_up):
                return self._card
            self._card.release()
            if time.monotonic() >= deadline_s:
                return None
            await asyncio.sleep(POLL_S)

    async def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until the slot is empty; False when it is not in time. Raises LinkError."""
        with await self._connected() as there:
            there.setblocking(False)
            try:
                async with asyncio.timeout(timeout_s):
                    # Nothing is sent without a question: whatever comes is the end.
                    await self._loop.sock_recv(there, 1)
            except TimeoutError:
                return False
            except OSError:
                pass
        return True

    async def run_blocking(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Run a blocking call in the link's thread, and wait for its end even when cancelled."""
        running = self._loop.run_in_executor(self._thread, call, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if self._card is not None:
                self._card.abandon()
            await asyncio.wait([running])
            raise

    async def _connected(self) -> socket.socket:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await open_socket(self._host, self._port)
        except TimeoutError:
            raise self._unreachable(f"no connection within {CONNECT_S:g} seconds") from None
        except OSError as error:
            raise self._unreachable(connect_failure(error)) from error

    def _connect_again(self) -> socket.socket:
        """Connect through the event loop, from the link's thread; raises LinkError."""
        return asyncio.run_coroutine_threadsafe(self._connected(), self._loop).result()

    def _unreachable(self, why: str) -> LinkError:
        return LinkError(
            Cause.NO_RESPONSE,
            f"No simulated chip reader listens at {self.name}: {why}.",
            Action.RESTART,
            "Start the simulated post, or correct the address.",
        )


class VpcdCard:
    """A card in the field, for blocking use in the link's thread. Its session lasts until `release`."""

    max_apdu_data_bytes: int | None = None
    """Longest data of an APDU that the slot states to pass on, in bytes: it states nothing."""

    def __init__(self, connection: socket.socket, connect: Callable[[], socket.socket], tap: Tap) -> None:
        self._connection = connection
        self._connect = connect
        self._tap = tap
        self._abandoned = False

    def power_up(self) -> bool:
        """Power the card up, and ask for its ATR; return false when no card is there."""
        self._connection.settimeout(ANSWER_S)
        try:
            self._send(_POWER_ON)
            return bool(self._exchange(_ATR))
        except OSError:
            return False

    def abandon(self) -> None:
        """End the session at the next command; may be called from any thread."""
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU and return the response; raises CardUnavailable."""
        if self._abandoned:
            raise CardUnavailable
        self._tap("out", command)
        try:
            answer = self._exchange(command)
        except OSError:
            raise CardUnavailable from None
        self._tap("in", answer)
        return answer

    def renew(self, timeout_s: float) -> bool:
        """Power the card up again after it was lost, for a new session.

        Returns false when none is back within `timeout_s` seconds, or when abandoned. Raises LinkError.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._abandoned:
            self.release()
            self._connection = self._connect()
            if self.power_up():
                return True
            if time.monotonic() >= deadline_s:
                break
            time.sleep(POLL_S)
        return False

    def release(self) -> None:
        """Disconnect; may be called again."""
        self._connection.close()

    def _exchange(self, message: bytes) -> bytes:
        self._send(message)
        return self._receive(int.from_bytes(self._receive(2), "big"))

    def _send(self, message: bytes) -> None:
        self._connection.sendall(len(message).to_bytes(2, "big") + message)

    def _receive(self, size: int) -> bytes:
        """Return the next bytes of the connection; raises OSError at its end."""
        got = b""
        while len(got) < size:
            piece = self._connection.recv(size - len(got))
            if not piece:
                raise ConnectionResetError("the card was removed")
            got += piece
        return got
