"""What people are told of the outbox and its disk: sentences, and what to do."""

import asyncio
from pathlib import Path

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.delivery.events import Stream
from gateway.delivery.outbox.database import DiskTrouble, SetAsideOutbox

FULL_CLEARED_AFTER_S = 600.0
"""How long the problem `outbox_full` stands after the last drop, in seconds."""

_CHECK_DMESG = "Look for disk errors with dmesg."
_DISK_TROUBLE_TEXTS: dict[DiskTrouble, tuple[str, Action, str]] = {
    "disk_full": ("is full", Action.CALL_SUPPORT, "Free space on that disk: df -h {directory}"),
    "disk_read_only": (
        "is mounted read-only, often after an error of the disk",
        Action.CALL_SUPPORT,
        "Look for the cause with dmesg, then: mount -o remount,rw the file system of {directory}",
    ),
    "disk_error": ("does not take what is written", Action.REPLACE, _CHECK_DMESG),
    "outbox_corrupt": ("gave back a damaged outbox", Action.CALL_SUPPORT, _CHECK_DMESG),
}


class OutboxProblems:
    """Notes problems of the outbox, and takes them back. Belongs to the event loop."""

    def __init__(self, problems: Problems, directory: Path) -> None:
        self._problems = problems
        self._directory = directory
        self._drops: dict[str, tuple[int, int]] = {}
        self._full_timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Nothing is taken back any more."""
        if self._full_timer is not None:
            self._full_timer.cancel()

    # Opening

    def key_on_same_disk(self) -> None:
        """The master key was made by us, for want of another."""
        self._problems.add(
            "encryption_key_on_same_disk",
            "No key is configured, so the outbox's key lies on the same disk: "
            "whoever takes the disk can read what waits in it.",
            Action.CONFIGURE,
            "Give the gateway a key as a systemd credential: see borderpost outbox --help",
        )

    def set_aside(self, set_aside_outbox: SetAsideOutbox) -> None:
        """The file was beyond use."""
        damaged = set_aside_outbox.cause == "outbox_corrupt"
        self._problems.add(
            set_aside_outbox.cause,
            ("The outbox was damaged" if damaged else "The outbox was sealed with another key")
            + f" and was set aside as {set_aside_outbox.path.name}; a new one was begun.",
            Action.CALL_SUPPORT,
            f"Keep {set_aside_outbox.path} for those who maintain the gateway.",
        )

    def commits_lost(self) -> None:
        """The file ends before what was committed."""
        self._problems.add(
            "outbox_corrupt",
            "The end of the outbox was damaged: the last events before this start may be lost.",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    # The disk

    def disk_trouble(self, trouble: DiskTrouble | None) -> None:
        """The disk does not take what is written; None: it does again."""
        for cause in _DISK_TROUBLE_TEXTS:
            if cause != trouble:
                self._problems.clear(cause, about="disk")
        if trouble is None:
            self._problems.clear("outbox_disk_slow")
            return
        what, action, how = _DISK_TROUBLE_TEXTS[trouble]
        self._problems.add(
            trouble,
            f"The disk of {self._directory} {what}; events are sent, but kept in memory only until then.",
            action,
            how.format(directory=self._directory),
            about="disk",
        )

    def disk_slow(self) -> None:
        """More was submitted than the disk took."""
        self._problems.add(
            "outbox_disk_slow",
            "The disk does not keep up with the devices; events were given up.",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    def event_damaged(self, stream: Stream, seq: int) -> None:
        """An event does not open."""
        self._problems.add(
            "events_damaged",
            f"Events in the outbox cannot be read any more (last: {stream.name} {seq}).",
            Action.CALL_SUPPORT,
            _CHECK_DMESG,
        )

    # The bounds

    def image_too_large(self, role: str, position: str) -> None:
        """An image is larger than the settings allow."""
        self._problems.add(
            "image_too_large",
            f"An image ({role}) of {position} is larger than the post allows; its event was sent without it.",
            Action.CONFIGURE,
            "Raise max_blob_bytes, or lower the resolution of the device.",
            about=position,
        )

    def record_drop(self, stream: Stream, seq: int) -> None:
        """An event was given up because outbox or memory was full."""
        first, last = self._drops.get(stream.name, (seq, seq))
        self._drops[stream.name] = min(first, seq), max(last, seq)

    def outbox_full(self, events: int, images: int) -> None:
        """So much was given up since the start; the problem stands until nothing was for a while."""
        ranges = ", ".join(
            f"{name} {first}-{last}" for name, (first, last) in sorted(self._drops.items())[:8]
        )
        self._problems.add(
            "outbox_full",
            f"The outbox is full: {events} events and {images} images were given up"
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
