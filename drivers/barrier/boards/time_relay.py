"""The remedy for boards that nothing stops: a time relay wired behind them."""

from pydantic import BaseModel, Field

from drivers.barrier.board import PulseEnd


class TimeRelaySettings(BaseModel):
    """What only who wired it can know; the settings of such a board derive from this."""

    time_relay_s: float | None = Field(
        None,
        gt=0,
        le=10,
        description="A time relay between board and barrier opens each contact so many seconds after it "
        "closed, whatever the board does. Only where there is one.",
        examples=[1.0],
    )

    @property
    def pulse_end(self) -> PulseEnd:
        """What ends a pulse when we are dead."""
        return PulseEnd.NONE if self.time_relay_s is None else PulseEnd.BOARD_TIMED

    @property
    def release_timeout_s(self) -> float:
        """And when, in seconds after it closed."""
        return float("inf") if self.time_relay_s is None else self.time_relay_s
