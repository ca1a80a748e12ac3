"""Driver of the scale: a line of text for every change. Source: its manual, section 3."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Literal

from pydantic import Field

from acme_scale.observations import Weighed, WeighOut, WeighOutResult
from acme_scale.vocabulary import VOCABULARY
from drivers.command import CommandRefusal, Invocation, RefusalReason, command
from drivers.driver import BadFrame, Driver, Family, Identity, Status
from drivers.links.framing import CompleteFrame, DamagedFrame, LineFraming, frames
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings
from drivers.observation import Observation, Outcome
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep


class ScaleSettings(SerialSettings):
    """Settings of one scale."""

    baud: int = 19200
    unit: Literal["kg", "lb"] = Field(default="kg", description="Unit that the scale sends.")


class Scale(Driver[ScaleSettings]):
    """A luggage scale on a serial line."""

    family = Family("luggage_scale")
    vocabulary = VOCABULARY
    driver_api = 1
    settings_model = ScaleSettings
    observation_types = (Weighed,)
    usb_ids = ((0x1234, 0x5678),)
    self_test_levels = (SelfTestLevel.INTERNAL,)

    async def open(self) -> Identity:
        """Open the line."""
        self.link = await self.links.serial(self.settings)
        return Identity(model="scale", manufacturer="Acme", serial_number=None)

    async def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Yield every mass."""
        async for frame in frames(self.link, LineFraming(), gap_s=0.5):
            match frame:
                case DamagedFrame(fault, wire):
                    yield BadFrame(fault, wire)
                case CompleteFrame(payload, _) if payload.isdigit():
                    yield Weighed(mass_kg=int(payload) / (1 if self.settings.unit == "kg" else 2.2))
                case CompleteFrame(payload, _):
                    raise LinkError(Cause.WRONG_FORMAT, "The scale sends no number.", Action.CONFIGURE)

    @command(is_movement=True)
    async def weigh_out(self, request: WeighOut, call: Invocation) -> WeighOutResult:
        """Release so much from the hopper."""
        if call.remaining_s < 0:
            raise CommandRefusal(RefusalReason.EXPIRED, "The command came too late.")
        await self.link.write(f"{request.mass_kg:.1f}\r".encode())
        return WeighOutResult(mass_kg=request.mass_kg)

    async def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Wait for one weight."""
        seen = await trial.next_observation()
        yield SelfTestStep(
            name="scale.weighs",
            outcome=Outcome.SUCCESSFUL,
            text="It weighed.",
            measured=seen.mass_kg if isinstance(seen, Weighed) else None,
        )


WRONG_FIELD = Weighed(mass_kg="heavy")  # type: ignore[arg-type]
WRONG_CLASS = Identity(model=7)  # type: ignore[arg-type]
