"""A smart card slot of a PC/SC service: presence of a card, and exchange of APDUs.

Source: PC/SC part 3 and 5, as implemented by pcsc-lite (pcsc-lite API, winscard.c). Needs the extra `chip`
(pyscard). All calls block, so they run in one thread of the link; an abandoned card ends its session at the
next command.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from drivers.links.link import Action, Cause, LinkError, NotInstalledError, Tap

try:
    from smartcard import scard as _scard
except ImportError:  # the extra is not installed
    scard: Any = None
else:
    scard = _scard

Result = TypeVar("Result")

POLL_S = 0.25
"""Upper bound on the duration of one poll of the slot, in seconds; it bounds every wait for this thread."""
VIRTUAL = "Virtual PCD"
"""Name prefix of the slots of vsmartcard's virtual reader."""


class CardUnavailable(Exception):  # noqa: N818 - an event at the slot, not a fault
    """The card left the field, or its response is no longer needed."""


class Card:
    """A card in the field, for blocking use in the link's thread."""

    def __init__(self, handle: int, protocol: int, atr: bytes, tap: Tap) -> None:
        self.atr = atr
        self._handle = handle
        self._header = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0
        self._tap = tap
        self._abandoned = False

    def abandon(self) -> None:
        """End the session at the next command; may be called from any thread."""
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU and return the response; raises CardUnavailable, or LinkError for the service."""
        if self._abandoned:
            raise CardUnavailable
        self._tap("out", command)
        code, answer = scard.SCardTransmit(self._handle, self._header, list(command))
        # Some drivers report a card that leaves during a command as success with an empty response.
        if code in _card_errors() or (code == scard.SCARD_S_SUCCESS and len(answer) < 2):
            raise CardUnavailable
        if code != scard.SCARD_S_SUCCESS:
            raise _failed(code)
        self._tap("in", bytes(answer))
        return bytes(answer)

    def release(self) -> None:
        """Disconnect without a reset.

        After the reset of a card that has left, pcscd does not find the next one.
        """
        scard.SCardDisconnect(self._handle, scard.SCARD_LEAVE_CARD)


class SmartCardLink:
    """One slot: an async context manager."""

    def __init__(self, reader: str, tap: Tap) -> None:
        self._reader_name = reader
        self._tap = tap
        self._context = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pcsc")
        self.name = ""
        """Full name of the slot, as reported by the service."""

    @property
    def is_simulated(self) -> bool:
        """True if the slot belongs to a virtual reader."""
        return self.name.startswith(VIRTUAL)

    async def __aenter__(self) -> Self:
        """Find the slot; raises LinkError."""
        try:
            await self.run_blocking(self._establish)
        except BaseException:
            if self.name:  # cancelled after the slot was found
                await self.run_blocking(scard.SCardReleaseContext, self._context)
            await self._end_thread()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect from the service."""
        await self.run_blocking(scard.SCardReleaseContext, self._context)
        await self._end_thread()

    async def wait_for_card(self, timeout_s: float) -> Card | None:
        """Wait for a card and connect to it; None when there is none in time. Raises LinkError."""
        deadline = time.monotonic() + timeout_s
        while await self._wait(present=True, timeout_s=deadline - time.monotonic()):
            card = await self.run_blocking(self._connect)
            if card is not None:
                return card
        return None

    async def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until the slot is empty; False when it is not in time. Raises LinkError."""
        return await self._wait(present=False, timeout_s=timeout_s)

    async def run_blocking(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Run a blocking call in the link's thread, and wait for its end even when cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _end_thread(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _wait(self, *, present: bool, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while True:
            if await self.run_blocking(
                self._wait_for_presence, present, min(POLL_S, max(0.0, deadline - time.monotonic()))
            ):
                return True
            if time.monotonic() >= deadline:
                return False

    def _establish(self) -> None:
        if scard is None:
            raise NotInstalledError("Reading chips needs pyscard, which is not installed.", "chip")
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code != scard.SCARD_S_SUCCESS:
            raise _failed(code)
        code, names = scard.SCardListReaders(context, [])
        fitting = [name for name in names or () if name.startswith(self._reader_name)]
        if len(fitting) != 1:
            scard.SCardReleaseContext(context)
            raise _no_slot(self._reader_name, list(names or ()), fitting)
        self._context, self.name = context, fitting[0]

    def _wait_for_presence(self, present: bool, timeout_s: float) -> bool:
        """Wait until a card is present, or absent; return False after `timeout_s` seconds."""
        unwanted = scard.SCARD_STATE_EMPTY if present else scard.SCARD_STATE_PRESENT
        before = scard.SCARD_STATE_UNAWARE
        deadline = time.monotonic() + timeout_s
        while True:
            left_ms = max(0, round(1000 * (deadline - time.monotonic())))
            code, states = scard.SCardGetStatusChange(self._context, left_ms, [(self.name, before)])
            if code == scard.SCARD_E_TIMEOUT:
                return False
            if code != scard.SCARD_S_SUCCESS:
                raise _failed(code)
            state = states[0][1]
            if state & (scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_UNKNOWN):
                raise _failed(scard.SCARD_E_READER_UNAVAILABLE)
            if not state & unwanted and not state & scard.SCARD_STATE_MUTE:
                return True
            before = state & ~scard.SCARD_STATE_CHANGED

    def _connect(self) -> Card | None:
        """Connect to the card; None when it has left again."""
        code, handle, protocol = scard.SCardConnect(
            self._context,
            self.name,
            scard.SCARD_SHARE_SHARED,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        if code in _card_errors():
            return None
        if code != scard.SCARD_S_SUCCESS:
            raise _failed(code)
        status = scard.SCardStatus(handle)
        return Card(handle, protocol, bytes(status[-1]), self._tap)


def _card_errors() -> frozenset[int]:
    """Return the error codes that concern the card, not the reader."""
    return frozenset(
        {
            scard.SCARD_W_REMOVED_CARD,
            scard.SCARD_E_NO_SMARTCARD,
            scard.SCARD_W_RESET_CARD,
            scard.SCARD_W_UNPOWERED_CARD,
            scard.SCARD_W_UNRESPONSIVE_CARD,
            # The field was lost in the middle of a command.
            scard.SCARD_F_COMM_ERROR,
            scard.SCARD_E_NOT_TRANSACTED,
        }
    )


def _failed(code: int) -> LinkError:
    """Return the link error for a failure of the service."""
    match code:
        case scard.SCARD_E_NO_SERVICE | scard.SCARD_E_SERVICE_STOPPED:
            return LinkError(
                Cause.NO_RESPONSE,
                "The smart card service is not running.",
                Action.RESTART,
                "systemctl restart pcscd.socket pcscd",
            )
        case scard.SCARD_W_SECURITY_VIOLATION | scard.SCARD_E_NO_ACCESS:
            return LinkError(
                Cause.NO_PERMISSION,
                "The smart card service denies access to the gateway.",
                Action.CONFIGURE,
                "Allow the gateway's user org.debian.pcsc-lite.access_card in polkit.",
            )
        case scard.SCARD_E_READER_UNAVAILABLE | scard.SCARD_E_UNKNOWN_READER:
            return LinkError(
                Cause.UNPLUGGED,
                "The chip reader was disconnected.",
                Action.REPLUG,
                "Check its cable and power.",
            )
        case scard.SCARD_E_SHARING_VIOLATION:
            return LinkError(
                Cause.PORT_HELD,
                "Another program uses the chip exclusively.",
                Action.RESTART,
                "Stop the program that uses the same chip reader.",
            )
        case _:
            return LinkError(
                Cause.LINK_FAILED,
                f"The smart card service failed (0x{code & 0xFFFFFFFF:08X}).",
                Action.REPLUG,
                "Unplug the chip reader, wait five seconds, plug it in again.",
            )


def _no_slot(reader_name: str, names: list[str], fitting: list[str]) -> LinkError:
    there = ", ".join(f'"{name}"' for name in names) or "none"
    if fitting:
        return LinkError(
            Cause.ADDRESS_AMBIGUOUS,
            f'{len(fitting)} slots begin with "{reader_name}": {there}.',
            Action.CONFIGURE,
            "Write a longer part of the name as `reader`.",
        )
    return LinkError(
        Cause.NO_DEVICE,
        f'No chip reader "{reader_name}" is plugged in; the smart card service lists: {there}.',
        Action.REPLUG,
        "Check its cable, or correct `reader`.",
    )
