"""Token bucket: limits the rate at which a backlog is sent."""


class TokenBucket:
    """Tokens that arrive at a steady rate; those of at most 0.05 s are kept."""

    __slots__ = ("_rate", "_since", "_tokens")

    def __init__(self, per_s: float) -> None:
        self._rate = per_s
        self._tokens = 0.0
        self._since = 0.0

    def reset(self, now_s: float) -> None:
        """Start counting at `now_s`: no tokens arrive while there is no connection."""
        self._since = now_s

    def take(self, now_s: float) -> bool:
        """Take a token; return whether there was one."""
        self._tokens = min(max(1.0, self._rate / 20), self._tokens + (now_s - self._since) * self._rate)
        self._since = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def wait_s(self) -> float:
        """Time from the last `take` to the next token, in seconds."""
        return (1.0 - self._tokens) / self._rate
