"""Recording of a certified device's wire, in memory; only its anonymized form is written.

The trace of a device ends with a restart of the gateway, and is then requested
again: the recording has a gap there, which is counted.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.anonymize.anonymizer import anonymize
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.links.recording.recorder import Recorder
from drivers.links.recording.recording import Recording
from gateway.cli._certify.device import REASON
from gateway.cli._lib.api_client import ApiConnection, ApiError, ApiUnavailable, ask, device_path, stream
from gateway.cli.record import build_recording, record_items
from gateway.config import DeviceSettings

LIMIT_BYTES = 16 * 1024 * 1024
READY_S = 15.0
"""Longest wait for the start of the trace, in seconds."""
RETRY_S = 0.2
STOP_S = 0.05
"""Interval at which a trace that is being opened is interrupted, in seconds."""


class WireRecording:
    """Context manager that records a device's wire from its begin to its end, in a thread."""

    def __init__(self, state_dir: Path, position: str) -> None:
        self.note = ""
        """Reason why nothing, or not everything, is recorded."""
        self.is_discarded = False
        """True if its personal data could not be replaced."""
        self._state_dir, self._position = state_dir, position
        self._tape = Recorder(LIMIT_BYTES)
        self._lost = 0
        self._is_open = False
        self._began_s = time.monotonic()
        self._connection: ApiConnection | None = None
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._record, name="certify recording", daemon=True)

    def __enter__(self) -> Self:
        """Start, and wait until the trace is open or was refused."""
        self._thread.start()
        self._ready.wait(READY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the trace."""
        self._stopping.set()
        while self._thread.is_alive():
            if self._connection is not None:
                self._connection.interrupt()
            self._thread.join(STOP_S)

    def anonymized(self, device: DeviceSettings, view: dict[str, Any]) -> Recording | None:
        """Return what was recorded without personal data; None with a `note` where that is impossible."""
        if not self._tape.entries:
            self.note = self.note or "The device exchanged no bytes that can be recorded."
            return None
        lost = self._lost + self._tape.dropped_entries
        recording = build_recording(device, view, [*self._tape.entries], lost)
        try:
            return anonymize(recording)
        except CannotAnonymize as error:
            self.note, self.is_discarded = f"It was discarded: {error}.", True
            return None

    def _record(self) -> None:
        try:
            while not self._stopping.is_set():
                self._record_trace()
                if self._is_open and not self._stopping.is_set():
                    self._lost += 1
                self._is_open = False
                self._stopping.wait(RETRY_S)
        except ApiError as refusal:
            self.note = f"The trace was refused: {refusal}"
        finally:
            self._ready.set()

    def _record_trace(self) -> None:
        """Record one trace until it ends; raises ApiError if it is refused."""
        path = device_path(self._position, "/trace")
        try:
            ticket = ask(self._state_dir, f"{path}/reveal", method="POST", body={"reason": REASON})
            self._connection = ApiConnection(self._state_dir)
            path = f"{path}?ticket={ticket['ticket']}"
            began_s = time.monotonic() - self._began_s
            items = stream(self._state_dir, path, connection=self._connection, on_open=self._on_open)
            self._lost += record_items(self._tape, _later(items, began_s))
        except ApiUnavailable:
            return  # the gateway is being restarted, or this recording is being stopped
        except ApiError as refusal:
            if refusal.status < 500 and refusal.status != 409:
                raise

    def _on_open(self) -> None:
        self._is_open = True
        self._ready.set()


def _later(items: Iterable[dict[str, Any]], began_s: float) -> Iterator[dict[str, Any]]:
    """Yield the items of a trace that began so many seconds after the recording."""
    for item in items:
        yield item | {"at_s": item["at_s"] + began_s}
