"""Settings of an OSDP reader, and the key of its secure channel."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.access.commands import LONGEST_S, TENTH_S
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings

Security = Literal["secure", "install", "clear"]
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D, the public default key of readers in installation mode (IEC 60839-11-5, annex D)."""


class OsdpOutput(BaseModel):
    """An output of the reader, by the equipment wired to it, and its longest pulse.

    A reader knows no position, presence or stop, so its outputs must not move anything by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    output: int = Field(ge=0, le=255, description="Number of the output, counted from 0.", examples=[0])
    operates: Literal["lock", "signal", "door-controller", "motor"] = Field(
        description="lock: an electric lock of a door that people move. signal: a lamp or sounder. "
        "door-controller: an input of a machine's own controller that has the safety devices of its door or "
        "boom. motor, a door or boom moved by the output itself, is refused.",
        examples=["lock"],
    )
    max_pulse_s: float = Field(
        default=5.0,
        ge=TENTH_S,
        le=LONGEST_S,
        description="Longest pulse, in seconds; a longer one is refused.",
        examples=[5.0],
    )

    @model_validator(mode="after")
    def _moves_nothing(self) -> Self:
        if self.operates == "motor":
            raise ValueError(
                "operates: a reader has no position, presence or stop, so its output must not move a door or "
                "boom; wire it to the machine's own controller and write `door-controller`, or use a driver "
                "of barriers"
            )
        return self


class OsdpSettings(SerialSettings):
    """Settings of one reader."""

    address: int = Field(
        default=0, ge=0, le=126, description="Address of the reader on its line.", examples=[0]
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the base key (SCBK) of its secure channel, 32 hexadecimal digits.",
        examples=["${CREDENTIALS_DIRECTORY}/lane-1-osdp"],
    )
    security: Security = Field(
        default="secure",
        description="secure: only over a secure channel with that key. install: the same, but a reader in "
        "installation mode receives the key first. clear: no secure channel.",
        examples=["secure"],
    )
    outputs: tuple[OsdpOutput, ...] = Field(
        default=(),
        max_length=16,
        description="Outputs that may be switched, each with its use and longest pulse; no others are.",
    )
    offline_after_s: float = Field(
        default=2.5,
        ge=0.3,
        le=8,
        description="Without a response for so long the reader is offline, in seconds; below 1.1 s one lost "
        "response is enough.",
        examples=[2.5],
    )

    @field_validator("key_file")
    @classmethod
    def _absolute(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_absolute():
            raise ValueError("is not an absolute path")
        return file

    @model_validator(mode="after")
    def _each_output_once(self) -> Self:
        numbers = [each.output for each in self.outputs]
        if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
            raise ValueError(f"outputs: output {twice[0]} is named twice; remove one of its tables")
        return self

    @model_validator(mode="after")
    def _a_key_for_a_channel(self) -> Self:
        if self.key_file is None and self.security != "clear":
            raise ValueError(
                'has no `key_file` for its secure channel: add it, or set security = "clear", with which '
                "everybody with access to its wires can read cards and switch outputs"
            )
        if self.key_file is not None and self.security == "clear":
            raise ValueError('has a `key_file` that security = "clear" does not use: remove one of them')
        return self


def read_key(file: Path) -> bytes:
    """Read a base key; raises LinkError, without any content of the file."""
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not text"
        raise LinkError(
            Cause.NO_PERMISSION,
            f"The key of the reader cannot be read: {file}: {why}.",
            Action.CONFIGURE,
            "Correct `key_file`, and give the gateway's user read permission.",
        ) from None
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise LinkError(
            Cause.NO_PERMISSION,
            f"{file} contains no key of a reader.",
            Action.CONFIGURE,
            "Write 32 hexadecimal digits into it.",
        )
    if (key := bytes.fromhex(text)) == DEFAULT_KEY:
        raise LinkError(
            Cause.NO_PERMISSION,
            f"{file} contains the public key of readers in installation mode.",
            Action.CONFIGURE,
            'Create a key (openssl rand -hex 16), and install it in the reader with `security = "install"`.',
        )
    return key
