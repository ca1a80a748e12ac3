"""Time relay behind a board whose pulses nothing else ends."""

from pydantic import BaseModel, Field

from drivers.barrier.board import PulseEnd


class TimeRelaySettings(BaseModel):
    """Time relay, which only the installer can confirm; settings of such boards derive from this class."""

    time_relay_s: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Time relay between board and barrier: it opens each contact this many seconds after it "
        "closed, whatever the board does. Only if one is installed.",
        examples=[1.0],
    )

    @property
    def pulse_end(self) -> PulseEnd:
        """Mechanism that ends a pulse if the gateway dies."""
        return PulseEnd.NONE if self.time_relay_s is None else PulseEnd.BOARD_TIMED

    @property
    def release_timeout_s(self) -> float:
        """Time from closing to certain opening, in seconds."""
        return float("inf") if self.time_relay_s is None else self.time_relay_s
