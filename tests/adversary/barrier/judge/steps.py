"""A value over time, by its changes: a signal, a contact, or the life of a process."""

from bisect import bisect_right
from collections.abc import Iterator

from adversary.barrier.judge.records import Record


class Steps:
    """A value over time, by its changes."""

    def __init__(self, first: bool = False) -> None:
        self.times: list[float] = [float("-inf")]
        self.values: list[bool] = [first]
        self.records: list[Record | None] = [None]

    def set(self, at_s: float, value: bool, record: Record | None = None) -> None:
        """Note a change."""
        if self.values[-1] != value:
            self.times.append(at_s)
            self.values.append(value)
            self.records.append(record)

    def at(self, at_s: float) -> bool:
        """Return the value at a time."""
        return self.values[bisect_right(self.times, at_s) - 1]

    def throughout(self, from_s: float, to_s: float, value: bool = True) -> bool:
        """Return whether it had this value all the time."""
        return self.at(from_s) == value and not any(
            from_s < when_s <= to_s for when_s in self._near(from_s, to_s)
        )

    def ever(self, from_s: float, to_s: float, value: bool = True) -> bool:
        """Return whether it had this value at any time."""
        return self.at(from_s) == value or any(
            self.at(when_s) == value for when_s in self._near(from_s, to_s)
        )

    def changes(self, from_s: float, to_s: float) -> int:
        """Return the number of changes."""
        return len(self._near(from_s, to_s))

    def spans(self, value: bool = True, end_s: float = float("inf")) -> Iterator[tuple[float, float]]:
        """Yield the spans with this value."""
        for n, (when_s, here) in enumerate(zip(self.times, self.values, strict=True)):
            if here == value:
                yield when_s, min(self.times[n + 1] if n + 1 < len(self.times) else end_s, end_s)

    def _near(self, from_s: float, to_s: float) -> list[float]:
        return self.times[bisect_right(self.times, from_s) : bisect_right(self.times, to_s)]
