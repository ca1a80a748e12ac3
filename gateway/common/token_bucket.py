"""Token bucket: a steady rate with a bounded burst."""

from typing import Self


class TokenBucket:
    """Tokens that arrive at a steady rate, up to a capacity. Times are seconds of one monotonic clock."""

    __slots__ = ("_capacity", "_per_s", "_since_s", "_tokens")

    def __init__(
        self, per_s: float, *, capacity: float | None = None, tokens: float = 0.0, now_s: float = 0.0
    ) -> None:
        """Start with some tokens. Default capacity: the tokens of a twentieth of a second, at least one."""
        self._per_s = per_s
        self._capacity = max(1.0, per_s / 20) if capacity is None else capacity
        self._tokens = tokens
        self._since_s = now_s

    @classmethod
    def full(cls, per_s: float, capacity: float, now_s: float) -> Self:
        """Make a bucket that starts with all its tokens."""
        return cls(per_s, capacity=capacity, tokens=capacity, now_s=now_s)

    def reset(self, now_s: float) -> None:
        """Count from now on: the time since the last call yields no tokens."""
        self._since_s = now_s

    def has_tokens(self, now_s: float, count: float = 1.0) -> bool:
        """Tell whether so many tokens can be taken."""
        if now_s > self._since_s:
            self._tokens = min(self._capacity, self._tokens + (now_s - self._since_s) * self._per_s)
            self._since_s = now_s
        return self._tokens >= count

    def take(self, now_s: float, count: float = 1.0) -> bool:
        """Take so many tokens, if there are as many; otherwise none."""
        if not self.has_tokens(now_s, count):
            return False
        self._tokens -= count
        return True

    @property
    def wait_s(self) -> float:
        """Time until the next token, in seconds from the last `take`."""
        return (1.0 - self._tokens) / self._per_s
