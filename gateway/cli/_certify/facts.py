"""Facts of a certification: what was tried with a device, and what happened. No personal data."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from drivers.driver import Identity
from drivers.passport.chip_result import ReadLimit
from drivers.self_test import SelfTestStep
from gateway.cli._certify.chip_reads import ChipRead

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


class ChipReads(Attempts):
    """Reads of chips; good are those that were whole."""

    openings: Count = Field(0, description="Number of times that a chip was opened, all reads together.")
    slowest_s: Seconds = Field(0, description="Duration of the slowest read, in seconds.")
    read_bytes: Count | None = Field(
        None, description="Least size of the longest read command of a chip, in bytes; null: none."
    )
    limits: dict[str, Count] = Field(
        {},
        description="Number of reads by the reason why commands were not longer.",
        examples=[{"reader": 5}],
    )
    outcomes: dict[str, dict[str, Count]] = Field(
        {}, description="Number of each outcome, by check.", examples=[{"chip.access": {"successful": 5}}]
    )

    def with_read(self, read: ChipRead | None) -> Self:
        """Return the sum with one more read; None: no chip was found."""
        if read is None:
            return self.model_copy(update={"tried": self.tried + 1})
        outcomes = {name: dict(counts) for name, counts in self.outcomes.items()}
        for name, outcome in read.outcomes.items():
            counts = outcomes.setdefault(name, {})
            counts[outcome] = counts.get(outcome, 0) + 1
        limits = dict(self.limits)
        if read.limit:
            limits[read.limit] = limits.get(read.limit, 0) + 1
        sizes = [size for size in (self.read_bytes, read.read_bytes) if size is not None]
        return type(self)(
            tried=self.tried + 1,
            good=self.good + read.is_whole,
            openings=self.openings + read.openings,
            slowest_s=max(self.slowest_s, read.duration_s),
            read_bytes=min(sizes, default=None),
            limits=limits,
            outcomes=outcomes,
        )

    @property
    def has_short_commands(self) -> bool:
        """Return true if the slot passed on short commands only."""
        return ReadLimit.READER in self.limits


class Facts(CertificationModel):
    """Facts of all trials of a device; a missing fact was not tried."""

    identities: tuple[Identity, ...] = Field((), description="Identities that it reported, each once.")
    self_test: tuple[SelfTestStep, ...] | None = Field(None, description="Steps of its self-test.")
    specimens: dict[str, Attempts] = Field({}, description="Reads of specimens, by format.")
    chip: ChipReads | None = Field(None, description="Reads of a specimen's chip.")
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
