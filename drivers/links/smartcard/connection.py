"""A connection to the card in a slot: one transaction from its beginning to its end, in a context of its own.

The transaction keeps other programs' commands out of the session: one of them between two of ours ends secure
messaging (OpenSC/OpenSC#3781). pcscd makes a program wait as long as another one has a transaction, already
when it connects, and offers no way to end that wait. So the wait is in a thread that may be left behind; it
cleans up by itself when it ends.
"""

import threading
import time
from collections.abc import Callable

from drivers.links.smartcard import features
from drivers.links.smartcard.errors import (
    CardUnavailable,
    card_errors,
    scard,
    service_error,
    slot_held_error,
    slow_service_error,
)

HELD_S = 3.0
"""Time that another program may take for its transaction, in seconds."""
SLOW_S = 15.0
"""Time that the service may take to power a card up when no other program uses the slot, in seconds."""
_LOOK_S = 0.1


class Connection:
    """A card with a transaction, for blocking use in one thread."""

    def __init__(self, context: int, handle: int, protocol: int) -> None:
        self._context = context
        self._handle = handle
        self._protocol = protocol
        self._is_open = True

    def transmit(self, command: bytes) -> tuple[int, bytes]:
        """Send one APDU; return the service's code and the response."""
        header = scard.SCARD_PCI_T1 if self._protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0
        code, answer = scard.SCardTransmit(self._handle, header, list(command))
        return code, bytes(answer)

    def max_apdu_data_bytes(self) -> int | None:
        """Return the longest data of an APDU that the slot states to pass on, in bytes; None without one."""
        request = scard.SCARD_CTL_CODE(features.GET_FEATURE_REQUEST)
        code = features.control_code(self._control(request), features.GET_TLV_PROPERTIES)
        return None if code is None else features.max_apdu_data_bytes(self._control(code))

    def _control(self, code: int) -> bytes:
        result, answer = scard.SCardControl(self._handle, code, [])
        return bytes(answer) if result == scard.SCARD_S_SUCCESS else b""

    def reset(self) -> bool:
        """Reset the card within the transaction; return false when it does not respond."""
        code, protocol = scard.SCardReconnect(
            self._handle, scard.SCARD_SHARE_SHARED, _protocols(), scard.SCARD_RESET_CARD
        )
        self._protocol = protocol
        return bool(code == scard.SCARD_S_SUCCESS)

    def close(self) -> None:
        """End the transaction and disconnect, without a reset.

        After the reset of a card that has left, pcscd does not find the next one.
        """
        if self._is_open:
            self._is_open = False
            scard.SCardDisconnect(self._handle, scard.SCARD_LEAVE_CARD)
            scard.SCardReleaseContext(self._context)


def connect(slot: str, is_abandoned: Callable[[], bool], is_in_use: Callable[[], bool]) -> Connection | None:
    """Connect to the card in a slot and begin a transaction; None when the card has left again.

    `is_in_use` returns true while a program is connected to the slot. Raises LinkError for the service, with
    the cause `port_held` when another program has a transaction for longer than HELD_S, and CardUnavailable
    when abandoned meanwhile.
    """
    began_s = time.monotonic()

    def wait_for(ended: Callable[[float], bool], give_up: Callable[[], bool]) -> None:
        while not ended(_LOOK_S):
            waited_s = time.monotonic() - began_s
            abandoned = is_abandoned()
            held = waited_s >= HELD_S and is_in_use()
            if (abandoned or held or waited_s >= SLOW_S) and give_up():
                raise CardUnavailable if abandoned else slot_held_error() if held else slow_service_error()

    # One attempt at most is left behind, however many documents come: pcscd has a thread for each.
    if (earlier := _left.get(slot)) is not None:
        wait_for(earlier.has_ended.wait, lambda: True)
    attempt = _Attempt(slot)
    threading.Thread(target=attempt.run, name="pcsc-connect", daemon=True).start()
    wait_for(attempt.is_over.wait, attempt.leave)
    return attempt.result()


class _Attempt:
    """One attempt to connect, in a thread of its own."""

    def __init__(self, slot: str) -> None:
        self._slot = slot
        self._lock = threading.Lock()
        self._is_left = False
        self._code = 0
        self._connection: Connection | None = None
        self.is_over = threading.Event()
        """Set when the result is there, unless the attempt was abandoned."""
        self.has_ended = threading.Event()

    def run(self) -> None:
        """Connect, as long as it takes."""
        try:
            self._run()
        finally:
            self.has_ended.set()

    def _run(self) -> None:
        code, connection = _connected(self._slot)
        while code == scard.SCARD_E_SHARING_VIOLATION and not self._is_left:
            time.sleep(_LOOK_S)  # another program has the slot exclusively, perhaps for a moment
            code, connection = _connected(self._slot)
        with self._lock:
            if not self._is_left:
                self._code, self._connection = code, connection
                self.is_over.set()
                return
        if connection is not None:
            connection.close()

    def leave(self) -> bool:
        """Abandon the attempt; return false when it is over."""
        with self._lock:
            self._is_left = not self.is_over.is_set()
        if self._is_left:
            _left[self._slot] = self
        return self._is_left

    def result(self) -> Connection | None:
        """Return the connection, or None; raises LinkError."""
        if self._connection is None and self._code not in card_errors():
            raise service_error(self._code)
        return self._connection


_left: dict[str, _Attempt] = {}
"""Last attempt that was left behind, by slot."""


def _connected(slot: str) -> tuple[int, Connection | None]:
    """Return the service's code, and the connection in the case of success."""
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if code != scard.SCARD_S_SUCCESS:
        return code, None
    code, handle, protocol = scard.SCardConnect(context, slot, scard.SCARD_SHARE_SHARED, _protocols())
    if code == scard.SCARD_S_SUCCESS:
        connection = Connection(context, handle, protocol)
        code = scard.SCardBeginTransaction(handle)
        if code == scard.SCARD_S_SUCCESS:
            return code, connection
        connection.close()
    else:
        scard.SCardReleaseContext(context)
    return code, None


def _protocols() -> int:
    return int(scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1)
