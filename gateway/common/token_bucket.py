"""The token bucket that holds a backlog to a rate."""


class TokenBucket:
    """Tokens that come at a steady rate and are kept for a twentieth of a second at most."""

    __slots__ = ("_rate", "_since", "_tokens")

    def __init__(self, per_s: float) -> None:
        self._rate = per_s
        self._tokens = 0.0
        self._since = 0.0

    def reset(self, now_s: float) -> None:
        """Count from now: what would have come while there was no connection never comes."""
        self._since = now_s

    def take(self, now_s: float) -> bool:
        """Take a token, if there is one."""
        self._tokens = min(max(1.0, self._rate / 20), self._tokens + (now_s - self._since) * self._rate)
        self._since = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def wait_s(self) -> float:
        """When the next token comes, in seconds from the last `take`."""
        return (1.0 - self._tokens) / self._rate
