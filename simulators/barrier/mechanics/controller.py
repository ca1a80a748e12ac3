"""The barrier's own controller: three contacts in, a motor out, and the safety devices wired to it.

It has no link to boards and buses. Its automatic actions (closing after power, closing behind a vehicle,
opening for fire) are conditions that a gateway must handle, and are all in its settings. Order of precedence,
as in the makers' manuals: stop, fire, open, close.
"""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.barrier.mechanics.boom import Boom
from simulators.barrier.timeline import Timeline, TimerHandle

ContactName = Literal["open", "close", "stop"]


class ControllerSettings(BaseModel):
    """Behaviour of a controller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pulse_min_s: float = Field(
        default=0.05, ge=0, description="Contacts that close for less are ignored, in seconds."
    )
    stop_contact: Literal["closing", "opening"] = Field(
        default="closing",
        description="Kind of stop contact: it stops by closing, or by opening (then it is closed at rest).",
    )
    photocell: Literal["reopens", "stops", "ignored"] = Field(
        default="reopens",
        description="Reaction to an interrupted photocell while it closes; it also keeps it open.",
    )
    obstacle: Literal["reopens", "stops"] = Field(
        default="reopens", description="Reaction when it has struck something."
    )
    fire_opens: bool = Field(default=True, description="Whether the fire input opens it and keeps it open.")
    key_excludes: bool = Field(default=True, description="Whether the key switch disables the contacts.")
    pause_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds open and free after which it closes; only by contact if omitted.",
    )
    closes_behind_s: float | None = Field(
        default=None, ge=0, description="Seconds after a vehicle has left the photocell when it closes."
    )
    self_closes_s: float | None = Field(
        default=5.0,
        ge=0,
        description="Seconds after the return of power when it closes; never if omitted.",
    )


class Controller:
    """The controller of one boom.

    `free` says whether photocell and loops are free, `may_open` whether an interlock allows opening; `acted`
    is called when it has acted automatically.
    """

    def __init__(
        self,
        boom: Boom,
        settings: ControllerSettings,
        timeline: Timeline,
        log_event: Callable[..., None],
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
        """True if the photocell is interrupted."""
        self._timeline = timeline
        self._log_event = log_event
        self._free = free
        self._may_open = may_open
        self._acted = acted
        # A stop circuit that is closed at rest belongs to a relay, or a bridge, that keeps it closed.
        self._closed = {"open": False, "close": False, "stop": settings.stop_contact == "opening"}
        self._due: dict[str, TimerHandle] = {}

    @property
    def is_stopped(self) -> bool:
        """True if the stop contact stops it."""
        return self._closed["stop"] == (self.settings.stop_contact == "closing")

    # Inputs.

    def contact(self, name: ContactName, closed: bool) -> None:
        """Handle a contact that has closed or opened."""
        self._closed[name] = closed
        if self._closed["open"] and self._closed["close"]:
            self._log_event("both-contacts")
        self._cancel(name)
        if name == "stop":
            self._stop_changed()
        elif closed:
            self._later(name, self.settings.pulse_min_s, lambda: self._request(name))

    def press(self, button: ContactName) -> None:
        """Handle a button at the barrier, which no contact or key switch disables."""
        self._log_event("button", button=button)
        if button == "stop":
            self._halt()
        elif not self.is_stopped:
            self._go(button)

    def set_fire(self, active: bool) -> None:
        """Handle a change of the fire input."""
        self.fire = active
        self._keep_open_if_configured()

    def set_photocell(self, interrupted: bool) -> None:
        """Handle an interrupted or free photocell."""
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
        """Restart the pause before closing, because presence has changed."""
        self._cancel("pause")
        self.on_arrived()

    def on_obstruction(self) -> None:
        """Handle an obstruction that the boom has struck."""
        self._cancel_all()
        if self.is_powered and self.settings.obstacle == "reopens":
            self._later("obstacle", 0.2, lambda: self._go("open"))

    def on_arrived(self) -> None:
        """Handle the rest of the boom: when it is open, start its pause."""
        open_ = self.boom.position(self._timeline.now_s) > 1 - self.boom.settings.limit_zone
        if self.is_powered and open_ and self.settings.pause_s is not None and self._free():
            self._later("pause", self.settings.pause_s, lambda: self._go("close"))

    def on_power_lost(self) -> None:
        """Handle a loss of supply: the motor stops, everything scheduled is cancelled."""
        self.is_powered = False
        self._cancel_all()
        if self.boom.settings.stays:
            self._halt()
        else:
            self.boom.drive("opening", self._timeline.now_s)
            self._log_event("motion", towards="opening", by="spring")

    def on_power_restored(self) -> None:
        """Handle the return of the supply."""
        self.is_powered = True
        self._keep_open_if_configured()
        if self.settings.self_closes_s is not None:
            self._later("power", self.settings.self_closes_s, self._close_when_free)

    # Actions.

    def _request(self, name: str) -> None:
        if not self.is_powered or (self.key and self.settings.key_excludes) or self.is_stopped:
            return
        if name == "close" and self._closed["open"]:
            return  # open has precedence over close
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
            self._log_event("interlocked")
            return
        direction: Literal["opening", "closing"] = "opening" if where == "open" else "closing"
        self._cancel("pause")
        if self.boom.driven != direction:
            self._log_event("motion", towards=direction, by="motor")
        self.boom.drive(direction, now_s)

    def _halt(self) -> None:
        self._cancel_all()
        if self.boom.driven or self.boom.moves(self._timeline.now_s):
            self._log_event("motion", towards="rest", by="stop")
        self.boom.stop(self._timeline.now_s)

    def _stop_changed(self) -> None:
        if self.is_powered and self.is_stopped:
            self._halt()
        else:
            self._keep_open_if_configured()

    def _keep_open_if_configured(self) -> None:
        if self.fire and self.settings.fire_opens:
            self._go("open")

    def _close_when_free(self) -> None:
        """Close; while the photocell is interrupted, try again a second later."""
        if not self.photocell:
            self._go("close")
        else:
            self._later("free", 1.0, self._close_when_free)

    def _later(self, name: str, delay_s: float, action: Callable[[], None]) -> None:
        self._cancel(name)
        if delay_s <= 0:
            action()
            return

        def act() -> None:
            action()
            self._acted()

        self._due[name] = self._timeline.call_at(self._timeline.now_s + delay_s, act)

    def _cancel(self, name: str) -> None:
        if due := self._due.pop(name, None):
            due.cancel()

    def _cancel_all(self) -> None:
        for name in list(self._due):
            self._cancel(name)
