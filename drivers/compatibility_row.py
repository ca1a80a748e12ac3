"""Row of the list of tried devices: one file a device, written by `borderpost certify`."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class CompatibilityVerdict(StrEnum):
    """Verdict on one device and its connection."""

    CERTIFIED = "certified"
    """Every required criterion passed with a real device."""
    PARTIAL = "partial"
    """No criterion failed, and a required one was not tried."""
    FAILED = "failed"
    """A criterion failed."""
    SIMULATED_ONLY = "simulated only"
    """No real device was tried."""


class CompatibilityRow(BaseModel):
    """One device that was tried with a driver.

    The list is public: it names no post, no person and no serial number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    driver: str = Field(min_length=1, description="Name of the driver.", examples=["mrz-serial"])
    verdict: CompatibilityVerdict = Field(description="Verdict of the certification.", examples=["certified"])
    maker: str = Field(
        max_length=80, description="Maker, as on the label of the device.", examples=["Access-IS"]
    )
    model: str = Field(
        max_length=80, description="Model, as on the label of the device.", examples=["OCR315e"]
    )
    firmware: str = Field(
        default="", max_length=80, description="Version of its firmware.", examples=["2.14"]
    )
    connection: str = Field(max_length=40, description="Kind of its link.", examples=["serial"])
    certified_on: date = Field(description="Date of the certification.", examples=["2026-12-01"])
    gateway_version: str = Field(
        pattern=r"^\d+\.\d+\.\d+\S*$", description="Version of the gateway.", examples=["0.1.0"]
    )
    notes: str = Field(default="", max_length=500, description="Failed and untried criteria.", examples=[""])

    @field_validator("maker", "model")
    @classmethod
    def _names_a_real_device(cls, value: str, info: ValidationInfo) -> str:
        verdict = info.data.get("verdict")
        if not value.strip() and verdict is not CompatibilityVerdict.SIMULATED_ONLY:
            raise ValueError(f"is no name of a real device; write the {info.field_name} on its label")
        return value
