"""Facts of a certification: what was tried with a device, and what happened. No personal data."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from drivers.driver import Identity
from drivers.self_test import SelfTestStep

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class CertificationModel(BaseModel):
    """Base of the models of a certification."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Moment(StrEnum):
    """Moment at which a device loses its cable or its power."""

    IDLE = "unplug_idle"
    """Nothing is read."""
    READING = "unplug_reading"
    """In the middle of a read."""
    AFTER_READ = "unplug_after_read"
    """Right after a read."""
    REOPENING = "unplug_reopening"
    """Within a second after it was plugged in, while the gateway opens it."""
    RESTART = "unplug_restart"
    """It is not there when its worker process starts, and is plugged in later."""
    POWER_CUT = "power_cut"
    """Its own supply is switched off; its cable stays."""


class Interruption(CertificationModel):
    """One loss of a device's cable or power, and its return."""

    noticed_s: Seconds | None = Field(
        None, description="Time until the gateway reported the loss, in seconds; null: it did not."
    )
    cause: str = Field("", description="Reported cause, a code.", examples=["unplugged"])
    text: str = Field("", description="Sentence that a technician saw.")
    back_s: Seconds | None = Field(
        None, description="Time from plugging in until the device was online, in seconds; null: never."
    )
    works: bool | None = Field(
        None, description="The device was used afterwards, and worked; null: not tried."
    )
    worker_faults: tuple[str, ...] = Field(
        (), description="Faults of the worker process meanwhile.", examples=[["worker_crashed"]]
    )
    machine_restarted: bool = Field(False, description="The gateway's machine lost its power as well.")


class Attempts(CertificationModel):
    """Attempts of one kind: reads of specimens, pictures, self-tests."""

    tried: Count = 0
    good: Count = 0

    @property
    def missed(self) -> int:
        """Number of attempts without a good result."""
        return self.tried - self.good


class BusyAttempts(Attempts):
    """Attempts while every processor of the machine was busy."""

    processes: Count = Field(0, description="Number of processes that computed.")
    worker_faults: tuple[str, ...] = Field((), description="Faults of the worker process meanwhile.")


class Facts(CertificationModel):
    """Facts of all trials of a device; a missing fact was not tried."""

    identities: tuple[Identity, ...] = Field((), description="Identities that it reported, each once.")
    self_test: tuple[SelfTestStep, ...] | None = Field(None, description="Steps of its self-test.")
    specimens: dict[str, Attempts] = Field({}, description="Reads of specimens, by format.")
    series: Attempts | None = Field(None, description="Repeated use.")
    busy: BusyAttempts | None = Field(None, description="Use on a busy machine.")
    interruptions: dict[Moment, Interruption] = Field({}, description="Losses of cable or power, by moment.")
    movements: Count | None = Field(
        None, description="Movements of a barrier that was not commanded; null: not a barrier."
    )
    commissioned: bool | None = Field(
        None, description="Result of the last commissioning of a barrier's present configuration."
    )
    other_documents: Count = Field(
        0, description="Documents that were no specimens: not counted, and nothing about them was kept."
    )
    recordings: tuple[str, ...] = Field((), description="Names of anonymized recordings in the folder.")
    recording_note: str = Field("", description="Reason why there is no recording, or not of all.")
    power_cut_at_boot: str = Field(
        "", description="Boot of the machine in which a power cut was begun, and is not finished."
    )
