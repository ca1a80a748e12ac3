"""Permits and passages of one door: permitted, tailgating and reverse passages."""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.barrier.observations import AlarmKind, BarrierAlarm, BarrierPassage, PassageDirection
from drivers.barrier.wiring import DoorInputs


@dataclass(slots=True)
class PassagePermit:
    """Right to pass once."""

    transaction: str
    for_s: float
    until_s: float | None = None
    """Time of expiry; None until the door is open."""


@dataclass(slots=True)
class _OngoingPassage:
    """A passage that has begun."""

    permit: PassagePermit | None
    began_s: float
    tailgates: bool
    reverse: bool
    may_return: bool = True
    """True if turning back returns the permit."""


class PassageTracker:
    """Passages of one door. A permit ends with a passage, at its expiry, or when the door has closed."""

    def __init__(self, door: str) -> None:
        self.permit: PassagePermit | None = None
        self._door = door
        self._passing: _OngoingPassage | None = None
        self._had_permit = False
        """True if the door was opened on a permit, and has not closed since."""
        self._was_open = False
        self._explained = {"entry_side": False, "exit_side": False}
        """By side: True while the person detected there is the one who left by that side."""

    @property
    def is_occupied(self) -> bool:
        """True if a person is in the passage."""
        return self._passing is not None

    def grant(self, transaction: str, for_s: float) -> None:
        """Grant a permit to the next person."""
        self.permit = PassagePermit(transaction, for_s)
        self._had_permit = True

    def revoke(self) -> None:
        """Revoke the permit."""
        self.permit = None
        if self._passing is not None:
            self._passing.may_return = False
        self._had_permit = self._had_permit and self._was_open

    def on_inputs(
        self, seen: DoorInputs, now_s: float, *, is_open: bool, is_closed: bool, free: bool
    ) -> Iterator[BarrierAlarm | BarrierPassage]:
        """Process the inputs. `free`: every person may pass, so none is tailgating."""
        for side in self._explained:
            self._explained[side] = self._explained[side] and bool(getattr(seen, side))
        self._age(now_s, is_open=is_open, is_closed=is_closed)
        passing = self._passing
        if passing is None:
            if seen.presence and not is_closed:
                yield from self._begin(seen, now_s, free=free)
        elif not seen.presence:
            self._passing = None
            yield from self._end(passing, seen, now_s)

    def _age(self, now_s: float, *, is_open: bool, is_closed: bool) -> None:
        permit = self.permit
        if is_closed and self._was_open:
            self.permit = None
            self._had_permit = False
        elif permit is not None and permit.until_s is None and is_open:
            permit.until_s = now_s + permit.for_s
        elif permit is not None and permit.until_s is not None and now_s > permit.until_s:
            self.permit = None
        self._was_open = not is_closed

    def _begin(self, seen: DoorInputs, now_s: float, *, free: bool) -> Iterator[BarrierAlarm]:
        permit, self.permit = self.permit, None
        at_exit = bool(seen.exit_side) and not self._explained["exit_side"]
        at_entry = bool(seen.entry_side) and not self._explained["entry_side"]
        tailgates = permit is None and self._had_permit and not free
        self._passing = _OngoingPassage(permit, now_s, tailgates, reverse=at_exit and not at_entry)
        if tailgates:
            yield BarrierAlarm(
                kind=AlarmKind.TAILGATING,
                door=self._door,
                text="A person is in the passage after the permit was used or has ended.",
            )

    def _end(
        self, passing: _OngoingPassage, seen: DoorInputs, now_s: float
    ) -> Iterator[BarrierAlarm | BarrierPassage]:
        near, far = ("exit_side", "entry_side") if passing.reverse else ("entry_side", "exit_side")
        back = bool(getattr(seen, near)) and getattr(seen, far) is False
        if back:
            direction = PassageDirection.TURNED_BACK
            if self.permit is None and passing.may_return:
                self.permit = passing.permit  # not used; its time goes on
        elif passing.reverse:
            direction = PassageDirection.REVERSE
        else:
            direction = (
                PassageDirection.UNKNOWN
                if seen.entry_side is seen.exit_side is None
                else PassageDirection.FORWARD
            )
        self._explained[near if back else far] = bool(getattr(seen, near if back else far))
        transaction = passing.permit.transaction if passing.permit is not None else None
        if direction is PassageDirection.REVERSE:
            yield BarrierAlarm(
                kind=AlarmKind.REVERSE_PASSAGE,
                door=self._door,
                text="A person came through from the exit side.",
                transaction=transaction,
            )
        yield BarrierPassage(
            door=self._door,
            direction=direction,
            permitted=passing.permit is not None,
            tailgating=passing.tailgates and not back,
            duration_s=round(now_s - passing.began_s, 2),
            transaction=transaction,
        )
