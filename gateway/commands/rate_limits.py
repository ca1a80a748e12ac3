"""How often somebody may ask: whatever is too much is refused, nothing is kept for later."""

from gateway.common.token_bucket import TokenBucket
from gateway.config import CommandsSection
from gateway.contract.topics import Position

ANSWERS_PER_S = 50
"""Refusals and repetitions that one station is answered in a second; after that, silence."""


class RateLimiter:
    """What is left to every station at every device, and to every device that can be moved."""

    def __init__(self, settings: CommandsSection) -> None:
        self._settings = settings
        self._last_move_ns: dict[Position, int] = {}
        self._buckets: dict[tuple[str, Position, bool], TokenBucket] = {}
        self._answer_buckets: dict[str, TokenBucket] = {}

    def configure(self, settings: CommandsSection) -> None:
        """Go by other limits."""
        self._settings = settings
        self._buckets.clear()

    def is_exceeded(self, station: str, position: Position, *, moves: bool, now_ns: int) -> bool:
        """Whether one more would be too much now."""
        moved_ns = self._last_move_ns.get(position)
        if moves and moved_ns is not None and now_ns - moved_ns < self._settings.min_move_interval_s * 1e9:
            return True
        return not self._bucket(station, position, now_ns, moves=moves).has_token(now_ns / 1e9)

    def record_command(self, station: str, position: Position, *, moves: bool, now_ns: int) -> None:
        """Count one that was let through."""
        self._bucket(station, position, now_ns, moves=moves).take(now_ns / 1e9)
        if moves:
            self._last_move_ns[position] = now_ns

    def allows_answer(self, station: str, now_ns: int) -> bool:
        """Whether a station is told once more that it was refused, or what it was told before."""
        bucket = self._answer_buckets.get(station)
        if bucket is None:
            bucket = self._answer_buckets[station] = TokenBucket.full(
                ANSWERS_PER_S, ANSWERS_PER_S, now_ns / 1e9
            )
        return bucket.take(now_ns / 1e9)

    def _bucket(self, station: str, position: Position, now_ns: int, *, moves: bool) -> TokenBucket:
        key = station, position, moves
        if (bucket := self._buckets.get(key)) is None:
            per_min = self._settings.moves_per_min if moves else self._settings.max_other_commands_per_min
            bucket = self._buckets[key] = TokenBucket.full(per_min / 60, per_min, now_ns / 1e9)
        return bucket
