"""The barrier's own controller: three contacts in, a motor out, and the safety that is wired to it.

It knows nothing of boards and buses. What it does without being asked (closing by itself after power, closing
behind a vehicle, opening for fire) is what a gateway has to live with, and is all in its settings. Order of
precedence, as the makers' manuals have it: stop, fire, open, close.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.barrier.mechanics.boom import Boom
from simulators.barrier.timeline import Timeline, TimerHandle

ContactName = Literal["open", "close", "stop"]


class ControllerSettings(BaseModel):
    """What a controller does when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pulse_min_s: float = Field(0.05, ge=0, description="A contact that closes for less is not seen.")
    stop_contact: Literal["closing", "opening"] = Field(
        "closing",
        description="What stops it: its stop contact closing, or opening (then it is closed at rest).",
    )
    photocell: Literal["reopens", "stops", "ignored"] = Field(
        "reopens", description="What an interrupted photocell does while it closes; it also keeps it open."
    )
    obstacle: Literal["reopens", "stops"] = Field(
        "reopens", description="What it does when it has struck something."
    )
    fire_opens: bool = Field(True, description="Whether the fire input opens it and holds it open.")
    key_excludes: bool = Field(True, description="Whether the key switch excludes the contacts.")
    pause_s: float | None = Field(
        None, gt=0, description="It closes so long after it has been open and free; without it, when told."
    )
    closes_behind_s: float | None = Field(
        None, ge=0, description="It closes so long after a vehicle has left the photocell."
    )
    self_closes_s: float | None = Field(
        5.0,
        ge=0,
        description="It closes by itself so long after power has returned; without it, it does not.",
    )


class Controller:
    """The controller of one boom.

    `free` says whether nothing stands in a photocell or on a loop, `may_open` whether an interlock lets it
    open; `acted` is called when it has done something by itself.
    """

    def __init__(
        self,
        boom: Boom,
        settings: ControllerSettings,
        timeline: Timeline,
        happened: Callable[..., None],
        *,
        free: Callable[[], bool],
        may_open: Callable[[], bool],
        acted: Callable[[], None],
    ) -> None:
        self.boom = boom
        self.settings = settings
        self.is_powered = True
        self.fire = False
        self.key = False
        self.photocell = False
        """Whether the photocell is interrupted."""
        self._timeline = timeline
        self._happened = happened
        self._free = free
        self._may_open = may_open
        self._acted = acted
        # A stop circuit that is closed at rest belongs to a relay, or a bridge, that keeps it so.
        self._closed = {"open": False, "close": False, "stop": settings.stop_contact == "opening"}
        self._due: dict[str, TimerHandle] = {}

    @property
    def is_stopped(self) -> bool:
        """Whether the stop contact holds it."""
        return self._closed["stop"] == (self.settings.stop_contact == "closing")

    # What comes in.

    def contact(self, name: ContactName, closed: bool) -> None:
        """A contact that is wired to it has closed or opened."""
        self._closed[name] = closed
        if self._closed["open"] and self._closed["close"]:
            self._happened("both-contacts")
        self._call_off(name)
        if name == "stop":
            self._stop_changed()
        elif closed:
            self._later(name, self.settings.pulse_min_s, lambda: self._asked(name))

    def press(self, button: ContactName) -> None:
        """Somebody presses a button at the barrier: no contact, no key is in its way."""
        self._happened("button", button=button)
        if button == "stop":
            self._halt()
        elif not self.is_stopped:
            self._go(button)

    def set_fire(self, active: bool) -> None:
        """The fire input changes."""
        self.fire = active
        self._hold_open_if_told()

    def set_photocell(self, interrupted: bool) -> None:
        """The photocell is interrupted, or free again."""
        self.photocell = interrupted
        if not self.is_powered or self.settings.photocell == "ignored":
            return
        if interrupted and self.boom.driven == "closing":
            if self.settings.photocell == "reopens":
                self._go("open")
            else:
                self._halt()
        elif not interrupted and self.settings.closes_behind_s is not None:
            self._later("behind", self.settings.closes_behind_s, lambda: self._go("close"))

    def freedom_changed(self) -> None:
        """Something came or went: the pause begins anew."""
        self._call_off("pause")
        self.on_arrived()

    def on_obstruction(self) -> None:
        """The boom has struck something."""
        self._call_off_all()
        if self.is_powered and self.settings.obstacle == "reopens":
            self._later("obstacle", 0.2, lambda: self._go("open"))

    def on_arrived(self) -> None:
        """The boom has come to rest: where it is open and has a pause, that begins."""
        open_ = self.boom.position(self._timeline.now_s) > 1 - self.boom.settings.limit_zone
        if self.is_powered and open_ and self.settings.pause_s is not None and self._free():
            self._later("pause", self.settings.pause_s, lambda: self._go("close"))

    def on_power_lost(self) -> None:
        """The supply is gone: the motor is dead, all that was to come is forgotten."""
        self.is_powered = False
        self._call_off_all()
        if self.boom.settings.stays:
            self._halt()
        else:
            self.boom.drive("opening", self._timeline.now_s)
            self._happened("motion", towards="opening", by="spring")

    def on_power_restored(self) -> None:
        """The supply is back."""
        self.is_powered = True
        self._hold_open_if_told()
        if self.settings.self_closes_s is not None:
            self._later("power", self.settings.self_closes_s, self._close_when_free)

    # What it does about it.

    def _asked(self, name: str) -> None:
        if not self.is_powered or (self.key and self.settings.key_excludes) or self.is_stopped:
            return
        if name == "close" and self._closed["open"]:
            return  # open beats close
        self._go("open" if name == "open" else "close")

    def _go(self, where: ContactName) -> None:
        if not self.is_powered or self.is_stopped:
            return
        now_s = self._timeline.now_s
        if where == "close":
            seen = self.photocell and self.settings.photocell != "ignored"
            if seen or (self.fire and self.settings.fire_opens):
                return
        elif not self.fire and not self._may_open():
            self._happened("interlocked")
            return
        direction: Literal["opening", "closing"] = "opening" if where == "open" else "closing"
        self._call_off("pause")
        if self.boom.driven != direction:
            self._happened("motion", towards=direction, by="motor")
        self.boom.drive(direction, now_s)

    def _halt(self) -> None:
        self._call_off_all()
        if self.boom.driven or self.boom.moves(self._timeline.now_s):
            self._happened("motion", towards="rest", by="stop")
        self.boom.stop(self._timeline.now_s)

    def _stop_changed(self) -> None:
        if self.is_powered and self.is_stopped:
            self._halt()
        else:
            self._hold_open_if_told()

    def _hold_open_if_told(self) -> None:
        if self.fire and self.settings.fire_opens:
            self._go("open")

    def _close_when_free(self) -> None:
        """Close; while somebody stands in the photocell, try again a second later."""
        if not self.photocell:
            self._go("close")
        else:
            self._later("free", 1.0, self._close_when_free)

    def _later(self, what: str, delay_s: float, action: Callable[[], None]) -> None:
        self._call_off(what)
        if delay_s <= 0:
            action()
            return

        def act() -> None:
            action()
            self._acted()

        self._due[what] = self._timeline.call_at(self._timeline.now_s + delay_s, act)

    def _call_off(self, what: str) -> None:
        if due := self._due.pop(what, None):
            due.cancel()

    def _call_off_all(self) -> None:
        for what in list(self._due):
            self._call_off(what)
