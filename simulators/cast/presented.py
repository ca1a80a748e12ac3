"""The truth about what a reader was shown, for a consumer's tests and for the review of an exercise."""

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.cast.member import Light, Member

KEPT = 1000
"""Number of presentations that are kept."""


def drawn_truth(genuine: bool | None, forged: str = "", shows: tuple[Light, ...] = ()) -> Mapping[str, Any]:
    """Return the truth about a document outside the cast; `genuine` None: zone chosen by the caller.

    `says` is null: what a gateway must say of it is not known.
    """
    return {
        "member": None,
        "number": None,
        "what": "invented traveller",
        "genuine": genuine,
        "forged": forged,
        "shows": list(shows),
        "says": None,
        "deviations": [],
        "lesson": "",
    }


class PresentedDocuments:
    """Truth about each presentation, without names and numbers of documents."""

    def __init__(self) -> None:
        self._presented: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._count = 0

    def note(self, truth: Mapping[str, Any] | Member) -> Mapping[str, Any]:
        """Keep the truth about what is presented now; return it."""
        self._count += 1
        told = truth.truth() if isinstance(truth, Member) else truth
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._presented.append({"presentation": self._count, "at": at, **told})
        return self._presented[-1]

    def last(self, count: int) -> list[dict[str, Any]]:
        """Return the last presentations, the latest at the end."""
        return list(self._presented)[-count:]

    def clear(self) -> None:
        """Forget all of them."""
        self._presented.clear()
