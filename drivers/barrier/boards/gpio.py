"""Relays and inputs at GPIO lines of the gateway's own machine.

Source: Linux, "GPIO character device userspace API": the state of a line after its release, also by a dead
process, is up to the chip's driver, and many leave an output as it was. The gateway therefore cannot detect
that a relay opens when it dies: the installer tests that with the chip (`gpioset`, kill it, look) and
configures the result, or wires a time relay. A gateway that hangs is killed after some seconds.
"""

from collections.abc import Callable
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.barrier.board import BoardSettings, PulseEnd
from drivers.barrier.boards.host_timed import HostTimedBoard
from drivers.barrier.boards.input_circuit import InputCircuitSettings
from drivers.barrier.boards.time_relay import TimeRelaySettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.gpio import GpioLink, GpioSettings

RESPONSE_TIMEOUT_S = 0.05
RELEASE_TIMEOUT_S = 0.1


class GpioBoardSettings(GpioSettings, TimeRelaySettings, InputCircuitSettings, BoardSettings):
    """Relays and inputs at a GPIO chip."""

    model: Literal["gpio"] = Field(description="Model of the board.")
    released_on_kill: bool = Field(
        default=False,
        description="Tested: the relays open when the process that holds the lines is killed.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _ends_its_pulses(self) -> Self:
        if self.outputs and not self.released_on_kill and self.time_relay_s is None:
            raise ValueError(
                "no mechanism is known that opens a relay when the gateway dies; test it with this chip "
                "(gpioset, kill it, look) and write `released_on_kill = true`, or wire a time relay and "
                "write `time_relay_s`"
            )
        return self

    def build(self, links: LinkFactory) -> "GpioBoard":
        """Build the board, not opened yet."""
        return GpioBoard(self, links)


class GpioBoard(HostTimedBoard):
    """GPIO lines as a board. See `Board`. Opening sets all outputs inactive: there is no other way."""

    response_timeout_s = RESPONSE_TIMEOUT_S
    answer_time_s = 0.0

    def __init__(self, settings: GpioBoardSettings, links: LinkFactory) -> None:
        super().__init__()
        self.settings = settings
        self.links = links
        self.relays, self.inputs = len(settings.outputs), len(settings.inputs)
        if settings.time_relay_s is None and settings.released_on_kill:
            # The kernel is the watchdog: it does not wait.
            self.pulse_end, self.release_timeout_s = PulseEnd.WATCHDOG, RELEASE_TIMEOUT_S
        else:
            self.pulse_end, self.release_timeout_s = settings.pulse_end, settings.release_timeout_s
        self._link: GpioLink

    async def open(self) -> Identity:
        """Implement `Board.open`."""
        self._link = await self.links.gpio(self.settings)
        return Identity(model=self._link.label or "GPIO chip")

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        self._raise_if_stuck()
        return self._link.read()

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        self._raise_if_stuck()
        return self._link.read_back()

    async def close(self) -> None:
        """Implement `Board.close`."""
        await self._open_on_close()

    async def _switch_relay(
        self,
        relay: int,
        closed: bool,
        *,
        urgent: bool,  # noqa: ARG002 - nothing waits here
        before_write: Callable[[], None],
    ) -> None:
        before_write()
        self._link.write([(relay, closed)])

    async def _open_all(self) -> None:
        self._link.write([(relay, False) for relay in range(self.relays)])
