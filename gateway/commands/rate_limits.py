"""Rate limits of commands: what exceeds them is refused, and never queued."""

from gateway.common.token_bucket import TokenBucket
from gateway.config import CommandsSection
from gateway.contract.topics import Position

ANSWERS_PER_S = 50
"""Refusals and repeated answers to one station in a second; further ones are not sent."""


class RateLimiter:
    """Limits of each station at each device, and of each device that can move."""

    def __init__(self, settings: CommandsSection) -> None:
        self._settings = settings
        self._last_move_ns: dict[Position, int] = {}
        self._buckets: dict[tuple[str, Position, bool], TokenBucket] = {}
        self._answer_buckets: dict[str, TokenBucket] = {}

    def configure(self, settings: CommandsSection) -> None:
        """Apply other limits."""
        self._settings = settings
        self._buckets.clear()

    def is_exceeded(self, station: str, position: Position, *, moves: bool, now_ns: int) -> bool:
        """Tell whether one more command would exceed a limit."""
        moved_ns = self._last_move_ns.get(position)
        if moves and moved_ns is not None and now_ns - moved_ns < self._settings.min_move_interval_s * 1e9:
            return True
        return not self._bucket(station, position, now_ns, moves=moves).has_tokens(now_ns / 1e9)

    def record_command(self, station: str, position: Position, *, moves: bool, now_ns: int) -> None:
        """Count a permitted command."""
        self._bucket(station, position, now_ns, moves=moves).take(now_ns / 1e9)
        if moves:
            self._last_move_ns[position] = now_ns

    def allows_answer(self, station: str, now_ns: int) -> bool:
        """Tell whether a station may be sent one more refusal or repeated answer."""
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
