"""Control panel of one reader: libosdp, run by the event loop without a thread."""

import asyncio
from collections import deque
from typing import Any

import osdp_sys

from drivers.access.osdp.channel import OsdpChannel, OutputPermit
from drivers.access.osdp.frames import NAK
from drivers.access.osdp.settings import Security
from drivers.command import CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialLink

READER_INDEX = 0
"""Number of the only reader on this line."""
REFRESHES_PER_QUESTION = 3
"""Calls of libosdp from a response to the next request: it does one step per call."""
STALE_S = 0.35
"""A reader is polled every 50 ms and responds within 200 ms: after this time it counts as absent."""
QUEUE_TIMEOUT_S = 0.6
"""Time limit of a command's wait for the line, in seconds."""
RESPONSE_TIMEOUT_S = 0.6
"""Time limit of its response, in seconds; libosdp would repeat the command after 1.0 s."""
HELD_S = 0.25
"""Time without a response after which a frame that an adapter still holds is discarded, in seconds.

A reader responds within 200 ms (OSDP 2.2), and 13 bytes take 14 ms at 9,600 Bd.
"""
TEMPORARY_ON = 5
"""Control code of OUT: on, and off again at the end of the timer."""
TIMER_COMPLIANCE_LEVELS = frozenset({3, 4})
"""Compliance levels of outputs that have a timer."""


class ControlPanel:
    """One reader behind a channel. Every open creates a new one, so no queue survives."""

    def __init__(
        self,
        link: SerialLink,
        address: int,
        key: bytes | None,
        security: Security,
        silent_s: float,
    ) -> None:
        self._link = link
        self._security = security
        self._silent_s = silent_s
        self._done: asyncio.Future[int] | None = None
        self._failure: LinkError | None = None
        self.has_been_online = False
        self.events: deque[dict[str, Any]] = deque()
        """Events of libosdp that are not read yet."""
        self.channel = OsdpChannel(address, lambda: not link.unsent_bytes)
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)
        flags = osdp_sys.FLAG_ENABLE_NOTIFICATION
        if security == "secure":
            flags |= osdp_sys.FLAG_ENFORCE_SECURE
        self._panel = osdp_sys.ControlPanel(
            [
                {
                    "name": "reader",
                    "address": address,
                    "flags": flags,
                    "scbk": key,
                    "channel": self.channel,
                    # Only a reader reports these.
                    "version": 0,
                    "model": 0,
                    "vendor_code": 0,
                    "serial_number": 0,
                    "firmware_version": 0,
                }
            ]
        )
        self._panel.set_event_callback(self._on_event)
        self._panel.set_command_completion_callback(self._completed)

    @property
    def is_online(self) -> bool:
        """True if it responds, over a secure channel unless that is not required."""
        safe = self._security == "clear" or bool(self._panel.sc_status())
        return bool(self._panel.status()) and safe

    @property
    def identity(self) -> dict[str, int]:
        """Identity as reported: vendor_code, model, version, serial_number, firmware_version."""
        told: dict[str, int] = self._panel.get_pd_id(READER_INDEX)
        return told

    def capability(self, code: int) -> tuple[int, int]:
        """Return the compliance level of a capability, and the number of its items."""
        level, count = self._panel.check_capability(READER_INDEX, code)
        return level, count

    async def work(self) -> None:
        """Pass received bytes to libosdp and send its frames; raises LinkError once the reader is lost."""
        for _ in range(REFRESHES_PER_QUESTION):
            self._panel.refresh()
            if self.channel.to_send:
                wire = bytes(self.channel.to_send)
                self.channel.to_send.clear()
                await self._link.write(wire)
        self.has_been_online |= self.is_online
        if self.channel.withheld:
            self._fail(_unanswered())
        elif self.channel.silence_s > self._silent_s:
            self._fail(_absent() if self.channel.last_reply is None else _silent())
        elif self._panel.status() and not self.is_online:
            # While a key is installed, libosdp would also continue without a secure channel.
            self._fail(self._why_offline())
        if self._failure is not None:
            self.discard()
            raise self._failure

    def _fail(self, failure: LinkError) -> None:
        """Record a failure; the first one is the cause of the others. Nothing is sent after it."""
        self._failure = self._failure or failure
        self.channel.permit = None
        self.channel.to_send.clear()
        self._link.discard_output()

    def discard(self) -> None:
        """Discard commands that libosdp has queued, and bytes that wait in the kernel."""
        self._panel.flush_commands(READER_INDEX)
        self._link.discard_output()

    async def pulse(self, output: int, tenths: int, call: Invocation) -> None:
        """Switch an output on for so many tenths of a second, with one frame.

        Raises CommandRefusal before anything was sent, CommandFailure when the reader refuses, and LinkError
        without a response.
        """
        if call.remaining_s <= 0:
            raise CommandRefusal(RefusalReason.EXPIRED, "The command came too late.")
        level, outputs = self.capability(osdp_sys.CAP_OUTPUT_CONTROL)
        if output >= outputs:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED, f"The reader has {outputs} outputs, counted from 0."
            )
        if level not in TIMER_COMPLIANCE_LEVELS:
            raise CommandRefusal(
                RefusalReason.NOT_SUPPORTED,
                "Its outputs have no timer: they would stay on after a failure of the gateway.",
            )
        if not self.is_online or self.channel.silence_s > STALE_S or self._link.unsent_bytes:
            raise CommandRefusal(RefusalReason.TIMED_OUT, "The reader does not respond at the moment.")
        if self.channel.permit is not None:
            raise CommandRefusal(RefusalReason.BUSY, "Another output is being switched.")
        self._done = asyncio.get_running_loop().create_future()
        self.channel.permit = permit = OutputPermit(call.deadline_ns)
        try:
            self._submit(output, tenths)
            await self.work()
            await self._wait_until_sent(permit, call)
            await self._wait_for_response(self._done)
        finally:
            self.channel.permit = None
            self._panel.flush_commands(READER_INDEX)

    def _submit(self, output: int, tenths: int) -> None:
        order = {
            "command": osdp_sys.CMD_OUTPUT,
            "output_no": output,
            "control_code": TEMPORARY_ON,
            "timer_count": tenths,
        }
        if not self._panel.submit_command(READER_INDEX, order):
            raise CommandRefusal(RefusalReason.TIMED_OUT, "The reader does not respond at the moment.")

    async def _wait_until_sent(self, permit: OutputPermit, call: Invocation) -> None:
        """Wait until the frame was sent."""
        try:
            async with asyncio.timeout(min(QUEUE_TIMEOUT_S, call.remaining_s)):
                await permit.sent
        except TimeoutError:
            raise CommandRefusal(RefusalReason.EXPIRED, "The line was not free in time.") from None

    async def _wait_for_response(self, done: "asyncio.Future[int]") -> None:
        """Wait for the reader's response."""
        for limit_s in (HELD_S, RESPONSE_TIMEOUT_S - HELD_S):
            await asyncio.wait((done,), timeout=limit_s)
            if done.done():
                break
            self._link.discard_output()
        else:
            self._fail(failure := _unanswered())
            raise failure
        status = done.result()
        if status == osdp_sys.COMPLETION_OK:
            return
        if self.channel.last_reply == NAK:
            raise CommandFailure(RefusalReason.DEVICE_REFUSED, "The reader rejected the command.")
        raise CommandFailure(RefusalReason.LINK_FAILED, "The reader's response is invalid.")

    def _completed(self, _reader: int, _command: dict[str, Any], status: int) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(status)

    def _on_event(self, _reader: int, event: dict[str, Any]) -> int:
        match event:
            case {"event": osdp_sys.EVENT_NOTIFICATION, "type": kind, "arg0": 0}:
                if kind == osdp_sys.EVENT_NOTIFICATION_PD_STATUS:
                    self._fail(self._why_offline())
                elif kind == osdp_sys.EVENT_NOTIFICATION_SC_STATUS and self.has_been_online:
                    self._fail(_restarted())
            case {"event": osdp_sys.EVENT_NOTIFICATION}:
                pass
            case _:
                # libosdp 3.2.9 never frees the object that it passes here: no card must be left in it.
                self.events.append(event | {"held": not self.channel.is_drained})
                event.clear()
        return 0

    def _why_offline(self) -> LinkError:
        if self.channel.last_reply is None:
            return _absent()
        if self.has_been_online or self._security == "clear":
            return _silent()
        if not self.capability(osdp_sys.CAP_COMMUNICATION_SECURITY)[0] & 1:
            return LinkError(
                Cause.WRONG_DEVICE,
                "The reader has no secure channel.",
                Action.CONFIGURE,
                'Replace it, or set `security = "clear"`, with which everybody with access to its wires '
                "can read cards and switch outputs.",
            )
        return LinkError(
            Cause.NO_PERMISSION,
            "The reader and this post have different keys.",
            Action.CONFIGURE,
            "Write the reader's key into `key_file`. A reader in installation mode receives the key of that "
            'file with `security = "install"`.',
        )


def _absent() -> LinkError:
    return LinkError(
        Cause.NO_RESPONSE,
        "No reader responds at this address.",
        Action.CONFIGURE,
        "Check its power and its two wires, which may be swapped; then `address` and `baud`.",
    )


def _silent() -> LinkError:
    return LinkError(
        Cause.NO_RESPONSE,
        "The reader no longer responds.",
        Action.REPLUG,
        "Check its power and its cable.",
    )


def _restarted() -> LinkError:
    return LinkError(
        Cause.LINK_FAILED,
        "The reader dropped the secure channel: it has restarted, or is another one.",
        Action.WAIT,
        "If this repeats, check its power and its cable.",
    )


def _unanswered() -> LinkError:
    return LinkError(
        Cause.NO_RESPONSE,
        "The reader received a command to switch an output, and did not respond.",
        Action.WAIT,
        "Check if the output was switched. If this repeats, check its cable.",
    )
