"""Since when, at the most, a message has been on its way to us.

A broker says how much is left of a message's life when it sends it. What then happens to the message on a
network that stalls, or in the socket of a program that stands still, nobody counts. But answers come in the
order of what was asked: whatever comes after the answer to a ping was sent after that ping was. So a life is
counted from the last ping that was answered, by our own clock, whatever stood still.
"""

from collections import deque
from collections.abc import Callable

from paho.mqtt.enums import MQTTErrorCode

from gateway.delivery.coalesced import CoalescingClient

PING_S = 0.5
"""Between an answer and the next ping, in seconds: so much of a command's life is lost at the most."""


class PingingClient(CoalescingClient):
    """paho's client, which notes when it pinged. Every ping counts, also those that paho sends by itself."""

    boot_ns: Callable[[], int]
    sent_after_ns: int
    """Before this moment, by CLOCK_BOOTTIME, the broker had not sent what arrives now."""

    def begin(self, boot_ns: Callable[[], int]) -> None:
        """Before there is a connection, nothing is sent on it."""
        self.boot_ns = boot_ns
        self.sent_after_ns = boot_ns()
        self._pinged_ns: deque[int] = deque()

    def ping(self) -> None:
        """Ask for a sign of life, unless one is still to come."""
        if not self._pinged_ns:
            self._send_pingreq()

    def _send_pingreq(self) -> MQTTErrorCode:
        self._pinged_ns.append(self.boot_ns())
        return super()._send_pingreq()

    def _handle_pingresp(self) -> MQTTErrorCode:
        if self._pinged_ns:
            self.sent_after_ns = self._pinged_ns.popleft()
        return super()._handle_pingresp()
