"""Lines of a GPIO chip of this machine: outputs and inputs, requested exclusively.

Source: Linux, "GPIO character device userspace API" (uAPI v2), by libgpiod. Needs the extra `gpio`.
"""

import errno
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from drivers.links.link import Action, Cause, LinkError, NotInstalledError, Tap
from drivers.links.settings import LinkRights, Settings

CONSUMER = "borderpost"
SIMULATED = ("gpio-sim", "gpio-mockup")
"""Names of the kernel's simulated chips."""
Bias = Literal["as-is", "pull-up", "pull-down", "disabled"]


class GpioSettings(Settings):
    """Settings of the GPIO lines."""

    chip: str = Field(pattern=r"^/dev/", description="Path of the chip's node.", examples=["/dev/gpiochip0"])
    outputs: tuple[int, ...] = Field(
        default=(), max_length=64, description="Output lines, by offset.", examples=[[17, 27, 22]]
    )
    inputs: tuple[int, ...] = Field(
        default=(), max_length=64, description="Input lines, by offset.", examples=[[5, 6, 13, 19]]
    )
    outputs_active: Literal["high", "low"] = Field(
        default="high",
        description="Level at which a relay closes; at the other level it opens.",
        examples=["high"],
    )
    inputs_active: Literal["high", "low"] = Field(
        default="low", description="Level of an input while its circuit is closed.", examples=["low"]
    )
    bias: Bias = Field(
        default="as-is", description="Resistors of the chip at the inputs.", examples=["pull-up"]
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the chip."""
        return super().link_rights() | LinkRights(node_finders=(self._find_chip,))

    def _find_chip(self) -> str | None:
        chip = os.path.realpath(self.chip)
        return chip if os.path.exists(chip) else None  # noqa: PTH110 - of a path that is a string

    @model_validator(mode="after")
    def _each_line_once(self) -> Self:
        lines = [*self.outputs, *self.inputs]
        if any(line < 0 for line in lines):
            raise ValueError("outputs, inputs: offsets count from 0")
        if twice := sorted({line for line in lines if lines.count(line) > 1}):
            raise ValueError(f"outputs, inputs: line {twice[0]} is named twice")
        return self


class GpioLink:
    """The lines: an async context manager. The kernel responds at once, so no method waits."""

    def __init__(self, settings: GpioSettings, tap: Tap) -> None:
        self._settings = settings
        self._tap = tap
        self._gpiod: Any = None
        self._outputs: Any = None
        self._inputs: Any = None
        self.label = ""
        """Label of the chip."""
        self.is_simulated = False

    async def __aenter__(self) -> Self:
        """Request the lines, the outputs inactive; raises LinkError."""
        try:
            import gpiod
        except ImportError:
            raise NotInstalledError("GPIO needs the library gpiod, which is not installed.", "gpio") from None
        self._gpiod = gpiod
        try:
            self._request_lines()
        except (OSError, ValueError) as error:
            self._release_lines()
            raise self._cannot_open(error) from error
        return self

    def _request_lines(self) -> None:
        settings, gpiod = self._settings, self._gpiod
        with gpiod.Chip(settings.chip) as chip:
            self.label = chip.get_info().label
            self.is_simulated = self.label.startswith(SIMULATED)
            direction, bias = gpiod.line.Direction, gpiod.line.Bias
            # Inputs first: if their request fails, outputs are not touched.
            if settings.inputs:
                self._inputs = chip.request_lines(
                    {
                        settings.inputs: gpiod.LineSettings(
                            direction=direction.INPUT,
                            active_low=settings.inputs_active == "low",
                            bias=bias[settings.bias.upper().replace("-", "_")],
                        )
                    },
                    CONSUMER,
                )
            if settings.outputs:
                self._outputs = chip.request_lines(
                    {
                        settings.outputs: gpiod.LineSettings(
                            direction=direction.OUTPUT,
                            active_low=settings.outputs_active == "low",
                            output_value=gpiod.line.Value.INACTIVE,
                        )
                    },
                    CONSUMER,
                )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lines. The chip's driver determines the outputs afterwards."""
        self._release_lines()

    def _release_lines(self) -> None:
        for request in (self._outputs, self._inputs):
            if request is not None:
                request.release()
        self._outputs = self._inputs = None

    def read(self) -> tuple[bool, ...]:
        """Return for each input if it is active; raises LinkError."""
        return self._values(self._inputs, self._settings.inputs)

    def read_back(self) -> tuple[bool, ...]:
        """Return for each output if it is active; raises LinkError."""
        return self._values(self._outputs, self._settings.outputs)

    def write(self, values: Sequence[tuple[int, bool]]) -> None:
        """Set outputs, counted as in the settings, all at once; raises LinkError."""
        value = self._gpiod.line.Value
        lines = {
            self._settings.outputs[n]: value.ACTIVE if active else value.INACTIVE for n, active in values
        }
        try:
            self._require_open(self._outputs).set_values(lines)
        except OSError as error:
            raise self._chip_lost_error(error) from error
        self._tap("out", ",".join(f"{line}={v.value}" for line, v in lines.items()).encode())

    def _values(self, request: Any, lines: Sequence[int]) -> tuple[bool, ...]:
        if not lines:
            return ()
        try:
            found = self._require_open(request).get_values()
        except OSError as error:
            raise self._chip_lost_error(error) from error
        self._tap("in", ",".join(f"{line}={v.value}" for line, v in zip(lines, found, strict=True)).encode())
        return tuple(value == self._gpiod.line.Value.ACTIVE for value in found)

    def _require_open(self, request: Any) -> Any:
        if request is None:
            raise self._chip_lost_error()
        return request

    def _cannot_open(self, error: Exception) -> LinkError:
        chip = self._settings.chip
        match getattr(error, "errno", None):
            case errno.EBUSY:
                return LinkError(
                    Cause.PORT_HELD,
                    f"Another program, or the kernel, uses one of the lines of {chip}.",
                    Action.CONFIGURE,
                    "`gpioinfo` shows the consumer; stop it, or use other lines.",
                )
            case errno.EACCES | errno.EPERM:
                return LinkError(
                    Cause.NO_PERMISSION,
                    f"The gateway may not open {chip}.",
                    Action.CONFIGURE,
                    "Add the gateway's user to the group that owns it (ls -l shows it), usually gpio.",
                )
            case errno.ENOENT | errno.ENXIO:
                return LinkError(
                    Cause.NO_DEVICE,
                    f"{chip} does not exist.",
                    Action.CONFIGURE,
                    "`gpiodetect` lists the chips; correct `chip`.",
                )
            case errno.ENOTTY | errno.ENODEV | errno.EINVAL | None:
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{chip} is not a GPIO chip, or has no such lines.",
                    Action.CONFIGURE,
                    "`gpioinfo` lists the lines; correct `chip`, `outputs` and `inputs`.",
                )
            case number:
                return LinkError(
                    Cause.LINK_FAILED,
                    f"{chip} does not open: {os.strerror(number)}.",
                    Action.CALL_SUPPORT,
                    "Check the kernel's messages about it (dmesg).",
                )

    def _chip_lost_error(self, error: OSError | None = None) -> LinkError:
        why = "" if error is None or error.errno is None else f" ({os.strerror(error.errno)})"
        return LinkError(
            Cause.UNPLUGGED,
            f"The lines of {self._settings.chip} are no longer available{why}.",
            Action.REPLUG,
            "Check the board that has the chip, and the kernel's messages about it (dmesg).",
        )
