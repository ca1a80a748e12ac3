"""A smart card slot at a PC/SC service: is a card there, and what does it answer.

Source: PC/SC part 3 and 5, as pcsc-lite speaks it (pcsc-lite API, winscard.c). Needs the extra `chip`
(pyscard). All calls block, so they run in one thread of the link's own; a card that is abandoned ends its
session at the next command.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from drivers.links.link import Action, Cause, LinkError, Tap

try:
    from smartcard import scard as _scard
except ImportError:  # the extra is not installed
    scard: Any = None
else:
    scard = _scard

Result = TypeVar("Result")

POLL_S = 0.25
"""How long one look at the slot may block, in seconds: nothing waits longer for this thread."""
VIRTUAL = "Virtual PCD"
"""What vsmartcard calls the slots of its virtual reader."""


class CardUnavailable(Exception):  # noqa: N818 - an event at the slot, not a fault of anybody
    """The card left the field, or nobody wants its answer any more."""


class Card:
    """A card in the field, for blocking use inside the link's thread."""

    def __init__(self, handle: int, protocol: int, atr: bytes, tap: Tap) -> None:
        self.atr = atr
        self._handle = handle
        self._header = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0
        self._tap = tap
        self._abandoned = False

    def abandon(self) -> None:
        """Let the next command end the session; may be called from any thread."""
        self._abandoned = True

    def transmit(self, command: bytes) -> bytes:
        """Send one APDU and give the answer; raises CardGone, or LinkError when the service fails."""
        if self._abandoned:
            raise CardUnavailable
        self._tap("out", command)
        code, answer = scard.SCardTransmit(self._handle, self._header, list(command))
        # A card that leaves during a command is reported as a success without an answer by some drivers.
        if code in _card_errors() or (code == scard.SCARD_S_SUCCESS and len(answer) < 2):
            raise CardUnavailable
        if code != scard.SCARD_S_SUCCESS:
            raise _failed(code)
        self._tap("in", bytes(answer))
        return bytes(answer)

    def release(self) -> None:
        """Disconnect. The card is left as it is: resetting one that has gone keeps pcscd from the next."""
        scard.SCardDisconnect(self._handle, scard.SCARD_LEAVE_CARD)


class SmartCardLink:
    """One slot: an async context manager."""

    def __init__(self, reader: str, tap: Tap) -> None:
        self._wanted = reader
        self._tap = tap
        self._context = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pcsc")
        self.name = ""
        """The slot's full name, as the service gives it."""

    @property
    def is_simulated(self) -> bool:
        """Whether the slot belongs to a virtual reader."""
        return self.name.startswith(VIRTUAL)

    async def __aenter__(self) -> Self:
        """Find the slot; raises LinkError."""
        try:
            await self.run_blocking(self._establish)
        except BaseException:
            if self.name:  # called off once it was found
                await self.run_blocking(scard.SCardReleaseContext, self._context)
            await self._end_thread()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the service."""
        await self.run_blocking(scard.SCardReleaseContext, self._context)
        await self._end_thread()

    async def wait_for_card(self, timeout_s: float) -> Card | None:
        """Wait for a card and connect to it; None when there is none by then. Raises LinkError."""
        deadline = time.monotonic() + timeout_s
        while await self._wait(present=True, timeout_s=deadline - time.monotonic()):
            card = await self.run_blocking(self._connect)
            if card is not None:
                return card
        return None

    async def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until no card is in the slot; False when one is still there by then. Raises LinkError."""
        return await self._wait(present=False, timeout_s=timeout_s)

    async def run_blocking(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Run what blocks in the link's thread, and see it to its end even when cancelled meanwhile."""
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
                self._look, present, min(POLL_S, max(0.0, deadline - time.monotonic()))
            ):
                return True
            if time.monotonic() >= deadline:
                return False

    def _establish(self) -> None:
        if scard is None:
            raise LinkError(
                Cause.DRIVER_ERROR,
                "Reading chips needs pyscard, which is not installed.",
                Action.CONFIGURE,
                "Install the gateway with its extra `chip`.",
            )
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code != scard.SCARD_S_SUCCESS:
            raise _failed(code)
        code, names = scard.SCardListReaders(context, [])
        fitting = [name for name in names or () if name.startswith(self._wanted)]
        if len(fitting) != 1:
            scard.SCardReleaseContext(context)
            raise _no_slot(self._wanted, list(names or ()), fitting)
        self._context, self.name = context, fitting[0]

    def _look(self, present: bool, timeout_s: float) -> bool:
        """Whether the slot is as wanted, at the latest after so many seconds."""
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
        """Connect to the card; None when it has gone again."""
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
    """What says that it is the card that has gone, not the reader."""
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
    """Say what a failure of the service means."""
    match code:
        case scard.SCARD_E_NO_SERVICE | scard.SCARD_E_SERVICE_STOPPED:
            return LinkError(
                Cause.NO_ANSWER,
                "The smart card service is not running.",
                Action.RESTART,
                "systemctl restart pcscd.socket pcscd",
            )
        case scard.SCARD_W_SECURITY_VIOLATION | scard.SCARD_E_NO_ACCESS:
            return LinkError(
                Cause.NO_PERMISSION,
                "The smart card service refuses the gateway.",
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
                "Another program has taken the chip for itself.",
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


def _no_slot(wanted: str, names: list[str], fitting: list[str]) -> LinkError:
    there = ", ".join(f'"{name}"' for name in names) or "none"
    if fitting:
        return LinkError(
            Cause.AMBIGUOUS,
            f'{len(fitting)} slots begin with "{wanted}": {there}.',
            Action.CONFIGURE,
            "Write more of the name.",
        )
    return LinkError(
        Cause.NO_DEVICE,
        f'No chip reader "{wanted}" is plugged in; the smart card service knows: {there}.',
        Action.REPLUG,
        "Check its cable, or correct `reader`.",
    )
