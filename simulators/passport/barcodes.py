"""Barcodes that travellers at a reader show beside their document: kinds, and how often."""

from enum import StrEnum
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict, Field, field_validator


class BarcodeKind(StrEnum):
    """Kinds of barcodes."""

    TRAVEL_AUTHORIZATION = "travel-authorization"
    """A digital travel authorization in the ICAO Datastructure for Barcodes."""
    PROOF_OF_VACCINATION = "proof-of-vaccination"
    """A vaccination in the ICAO Datastructure for Barcodes."""
    YELLOW_CARD = "yellow-card"
    """WHO's International Certificate of Vaccination or Prophylaxis, a health certificate."""
    VACCINATION_CERTIFICATE = "vaccination-certificate"
    """A health certificate of the European Union's schema."""


class BarcodeSettings(BaseModel):
    """Barcodes of the travellers at one reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    authority_dir: Path = Field(
        description="Directory for the public files of the simulated authority: a gateway names its folders "
        "`seal-signers` and `health-signers` as `signers` and `health_signers`."
    )
    kinds: dict[BarcodeKind, float] = Field(
        default=dict.fromkeys(BarcodeKind, 1.0), min_length=1, description="Weight of each kind."
    )
    share: float = Field(default=0.5, ge=0, le=1, description="Share of travellers who show one.")
    list_age_days: float = Field(default=0.0, ge=0, description="Age of the list of health signers, in days.")

    @field_validator("kinds")
    @classmethod
    def _weights_are_usable(cls, kinds: dict[BarcodeKind, float]) -> dict[BarcodeKind, float]:
        if any(weight < 0 for weight in kinds.values()) or not sum(kinds.values()):
            raise ValueError("weights must not be negative, and at least one must be above 0")
        return kinds

    def draw(self, chance: Random) -> BarcodeKind | None:
        """Return the barcode of the next traveller; None for one who shows none."""
        if chance.random() >= self.share:
            return None
        return chance.choices(list(self.kinds), list(self.kinds.values()))[0]
