"""Declaration that inputs without a defined level of their own read as open when their wire is cut."""

from pydantic import BaseModel, Field


class InputCircuitSettings(BaseModel):
    """Resistors at inputs, which only the installer can confirm; settings of such boards derive from this."""

    inputs_open_when_cut: bool = Field(
        default=False,
        description="Tested: with its wire unplugged, each input reads as an open circuit, because an "
        "external resistor sets its level.",
        examples=[True],
    )
