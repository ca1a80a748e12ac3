"""Record of one position that outlives its driver, such as an emergency that a person must acknowledge."""

from collections.abc import Callable


def _keep_in_memory(_text: str) -> None:
    """Store nothing: the record lasts as long as this object."""


class DeviceRecord:
    """Record of one position, kept by the gateway over new drivers, restarts and power cuts.

    `text`: content at the start; None: there is none yet. Unreadable content is passed as it is, so that the
    driver treats everything that may have been recorded as recorded. `store` is called with each new content.
    """

    def __init__(self, text: str | None = None, store: Callable[[str], None] = _keep_in_memory) -> None:
        self.text = text
        self.stop_s: float | None = None
        """Time of a stop that the device has not acknowledged yet, by the event loop; not stored."""
        self._store = store

    def write(self, text: str) -> None:
        """Replace the content."""
        self.text = text
        self._store(text)
