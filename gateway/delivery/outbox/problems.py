"""Problems of the outbox and its disk, with text and remedy."""

import asyncio
from pathlib import Path

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.contract.states import KeyStorage
from gateway.delivery.events import Stream
from gateway.delivery.outbox.database import DiskTrouble, SetAsideOutbox

FULL_CLEARED_AFTER_S = 600.0
"""Time after the last drop at which the problem `outbox_full` is cleared, in seconds."""

_CHECK_DMESG = "Look for disk errors with dmesg."
_KEY_TEXTS = {
    KeyStorage.DISK: (
        "The outbox's key is stored on the same disk: whoever takes the disk can read the queued events.",
        "Give the gateway a key as a systemd credential: see borderpost outbox --help",
    ),
    KeyStorage.MACHINE: (
        "The outbox's key is sealed without a TPM 2, by a secret on the same disk: whoever takes the disk "
        "can read the queued events.",
        "Use a machine with a TPM 2, or encrypt its disk. If the machine is stolen, treat the undelivered "
        "events of travellers as disclosed.",
    ),
}
_DISK_TROUBLE_TEXTS: dict[DiskTrouble, tuple[str, Action, str]] = {
    "disk_full": ("is full", Action.CALL_SUPPORT, "Free space on that disk: df -h {directory}"),
    "disk_read_only": (
        "is mounted read-only, often after a disk error",
        Action.CALL_SUPPORT,
        "Look for the cause with dmesg, then: mount -o remount,rw the file system of {directory}",
    ),
    "disk_error": ("cannot be written", Action.REPLACE, _CHECK_DMESG),
    "outbox_corrupt": ("returned a damaged outbox", Action.CALL_SUPPORT, _CHECK_DMESG),
}


class OutboxProblems:
    """Adds and clears problems of the outbox. Runs on the event loop."""

    def __init__(self, problems: Problems, directory: Path) -> None:
        self._problems = problems
        self._directory = directory
        self._drops: dict[str, tuple[int, int]] = {}
        self._full_timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Stop the timer that clears `outbox_full`."""
        if self._full_timer is not None:
            self._full_timer.cancel()

    # Opening

    def key_storage(self, storage: KeyStorage) -> None:
        """Report a key that can be read from the disk that it protects."""
        if storage not in _KEY_TEXTS:
            return
        text, how = _KEY_TEXTS[storage]
        self._problems.add("encryption_key_on_same_disk", text, Action.CONFIGURE, how)

    def set_aside(self, set_aside_outbox: SetAsideOutbox) -> None:
        """Report an unusable file that was set aside."""
        damaged = set_aside_outbox.cause == "outbox_corrupt"
        self._problems.add(
            set_aside_outbox.cause,
            ("The outbox was damaged" if damaged else "The outbox was encrypted with another key")
            + f" and was set aside as {set_aside_outbox.path.name}; a new one was begun.",
            Action.CALL_SUPPORT,
            f"Keep {set_aside_outbox.path} for those who maintain the gateway.",
        )

    def commits_lost(self) -> None:
        """Report that committed events are missing at the end of the file."""
        self._problems.add(
            "outbox_corrupt",
            "The end of the outbox was damaged: the last events before this start may be lost.",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    # The disk

    def disk_trouble(self, trouble: DiskTrouble | None) -> None:
        """Report trouble with the disk; None clears it."""
        for cause in _DISK_TROUBLE_TEXTS:
            if cause != trouble:
                self._problems.clear(cause, about="disk")
        if trouble is None:
            self._problems.clear("outbox_disk_slow")
            return
        what, action, how = _DISK_TROUBLE_TEXTS[trouble]
        self._problems.add(
            trouble,
            f"The disk of {self._directory} {what}; "
            "events are sent, but kept in memory only until this is fixed.",
            action,
            how.format(directory=self._directory),
            about="disk",
        )

    def disk_slow(self) -> None:
        """Report that events arrived faster than the disk could store them."""
        self._problems.add(
            "outbox_disk_slow",
            "The disk is slower than the devices; events were dropped.",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    def event_damaged(self, stream: Stream, seq: int) -> None:
        """Report an event that cannot be decrypted."""
        self._problems.add(
            "events_damaged",
            f"Events in the outbox are damaged and will not be delivered (last: {stream.name} {seq}).",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    # Bounds

    def image_too_large(self, role: str, position: str) -> None:
        """Report an image that is larger than the settings allow."""
        self._problems.add(
            "image_too_large",
            f"An image ({role}) of {position} is larger than the post allows; its event was sent without it.",
            Action.CONFIGURE,
            "Raise max_blob_bytes, or lower the resolution of the device.",
            about=position,
        )

    def record_drop(self, stream: Stream, seq: int) -> None:
        """Count an event that was dropped because outbox or memory was full."""
        first, last = self._drops.get(stream.name, (seq, seq))
        self._drops[stream.name] = min(first, seq), max(last, seq)

    def outbox_full(self, events: int, images: int) -> None:
        """Report the number of drops since the start; cleared after FULL_CLEARED_AFTER_S without a drop."""
        ranges = ", ".join(
            f"{name} {first}-{last}" for name, (first, last) in sorted(self._drops.items())[:8]
        )
        self._problems.add(
            "outbox_full",
            f"The outbox is full: {events} events and {images} images were dropped"
            + (f" ({ranges})." if ranges else "."),
            Action.CALL_SUPPORT,
            "Restore the connection to the destinations that events wait for.",
        )
        if self._full_timer is not None:
            self._full_timer.cancel()
        self._full_timer = asyncio.get_running_loop().call_later(FULL_CLEARED_AFTER_S, self._clear_full)

    def _clear_full(self) -> None:
        self._drops.clear()
        self._problems.clear("outbox_full")
