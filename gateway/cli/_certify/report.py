"""Report of a certification, and its row for the list of tried devices."""

import json
from datetime import date
from typing import Literal, Self

from pydantic import AwareDatetime, Field

from drivers.compatibility_row import CompatibilityVerdict
from drivers.driver import Family, Identity
from gateway.cli._certify.criteria import Criterion, OverallVerdict, Verdict, judge, sum_up
from gateway.cli._certify.facts import CertificationModel, Facts

NAME_LENGTH, NOTES_LENGTH = 80, 500
"""Most characters of a name and of the notes in the row."""


class TriedDevice(CertificationModel):
    """Device that was tried, and the gateway that did."""

    site: str
    gateway: str
    gateway_version: str = Field(examples=["0.1.0"])
    position: str = Field(examples=["lane-1/reader"])
    driver: str = Field(examples=["mrz-serial"])
    family: Family
    connection: str = Field(description="Kind of its link; empty: unknown.", examples=["serial"])
    provenance: str = Field(description="Kind of device: live, simulated or replayed.", examples=["live"])
    maker: str = Field("", description="Maker on its label, where the device reports none.")
    model: str = Field("", description="Model on its label, where the device reports another.")
    reads_chips: bool = Field(False, description="It has a slot for chips.")
    can_anonymize: bool = Field(True, description="Its driver can anonymize recordings.")


class Report(CertificationModel):
    """Report of one certification, whole or partial."""

    version: Literal[1] = 1
    device: TriedDevice
    began_at: AwareDatetime
    ended_at: AwareDatetime = Field(description="End of the last step.")
    verdict: OverallVerdict
    criteria: tuple[Criterion, ...]
    facts: Facts

    @classmethod
    def of(cls, device: TriedDevice, facts: Facts, began_at: AwareDatetime, ended_at: AwareDatetime) -> Self:
        """Judge the facts."""
        criteria = judge(
            device.family, facts, can_anonymize=device.can_anonymize, reads_chips=device.reads_chips
        )
        return cls(
            device=device,
            began_at=began_at,
            ended_at=ended_at,
            verdict=sum_up(criteria),
            criteria=criteria,
            facts=facts,
        )

    @property
    def identity(self) -> Identity:
        """Identity of the device: what its label says, else what it reports."""
        reported = self.facts.identities[0] if self.facts.identities else Identity(model="")
        label = {"manufacturer": self.device.maker, "model": self.device.model}
        return reported.model_copy(update={name: value for name, value in label.items() if value})

    def row(self) -> dict[str, str | date]:
        """Return the row for the list of tried devices; without a maker and model the list refuses it."""
        device, named = self.device, self.identity
        missing = [each.title for each in self.criteria if each.verdict is Verdict.NOT_TRIED]
        failed = [each.title for each in self.criteria if each.verdict is Verdict.FAIL]
        notes = [
            f"Failed: {', '.join(failed)}." if failed else "",
            f"Not tried: {', '.join(missing)}." if missing else "",
        ]
        return {
            "driver": device.driver,
            "maker": (named.manufacturer or "")[:NAME_LENGTH],
            "model": named.model[:NAME_LENGTH],
            "firmware": (named.firmware or "")[:NAME_LENGTH],
            "connection": device.connection,
            "verdict": str(self.verdict)
            if device.provenance == "live"
            else str(CompatibilityVerdict.SIMULATED_ONLY),
            "certified_on": self.ended_at.date(),
            "gateway_version": device.gateway_version,
            "notes": " ".join(note for note in notes if note)[:NOTES_LENGTH],
        }

    def row_toml(self) -> str:
        """Return the row as TOML; its basic strings are those of JSON."""
        return "".join(
            f"{name} = {value if isinstance(value, date) else json.dumps(value, ensure_ascii=False)}\n"
            for name, value in self.row().items()
        )
