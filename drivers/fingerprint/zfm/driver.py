"""ZFM-20, R30x, AS608 and R503: fingerprint modules on a serial line, used for images only.

Source: user manuals of the ZFM-70 (Zhian) and the R503 1.2 (Grow). A module has no signal for a finger: it is
polled with the instruction to take an image, and responds `no finger`. An image is transferred as 36,864
bytes, which takes seven seconds at 57,600 baud. The templates that it can store and compare are not used:
persons are identified elsewhere.
"""

import asyncio
import contextlib

from pydantic import Field, SecretStr, field_validator

from drivers.driver import Identity
from drivers.fingerprint.commands import CaptureFinger
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, UnreadableReason
from drivers.fingerprint.raster import CaptureFailure, Raster
from drivers.fingerprint.scanner import FingerprintScanner, ScannerSettings, need_libraries
from drivers.fingerprint.zfm.codes import (
    UNKNOWN_INSTRUCTION,
    ConfirmationCode,
    Instruction,
    describe_zfm,
    refusal_error,
)
from drivers.fingerprint.zfm.image import image_bytes, unpack
from drivers.fingerprint.zfm.packets import ADDRESS
from drivers.fingerprint.zfm.parameters import MODELS, Lamp, Model, ProductInfo, SystemParameters
from drivers.fingerprint.zfm.protocol import ZfmProtocol
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings

BAUDS = (9600, 19200, 38400, 57600, 115200)
"""Baud rates of modules (9600 times 1 to 12) that a serial port supports, too."""
OTHER_IMAGES = frozenset(image_bytes(known.width_px, known.height_px) for known in MODELS.values())
"""Image sizes of other models, in bytes; an image of any other size has lost bytes on the line."""
BREATHING, FLASHING, ON, OFF = 1, 2, 3, 4
RED, BLUE, PURPLE = 1, 2, 3
_AURA = {
    FeedbackCode.PLACE: bytes([BREATHING, 100, BLUE, 0]),
    FeedbackCode.KEEP_STILL: bytes([ON, 0, PURPLE, 0]),
    FeedbackCode.ASSESSING: bytes([FLASHING, 25, PURPLE, 0]),
    FeedbackCode.LIFT: bytes([FLASHING, 50, BLUE, 0]),
}
_AURA_TROUBLE = bytes([FLASHING, 25, RED, 3])
_AURA_OFF = bytes([OFF, 0, BLUE, 0])


class ZfmSettings(SerialSettings, ScannerSettings):
    """Settings of one module."""

    model: Model = Field(
        description="Model of the module: models differ in image size and lamp.",
        examples=["r503"],
    )
    baud: int = Field(
        default=57600, description="Baud rate of the module, in bits per second.", examples=[57600]
    )
    address: int = Field(
        default=ADDRESS,
        ge=0,
        le=0xFFFFFFFF,
        description="Address of the module; it responds to no other.",
        examples=[0xFFFFFFFF],
    )
    password: SecretStr = Field(
        default=SecretStr("00000000"),
        description="Password of the module: eight hexadecimal digits.",
        examples=["${FINGER_PW}"],
    )
    lamp: Lamp | None = Field(
        default=None,
        description="Lamp of the module: aura (a coloured ring), backlight or none; if absent, that of the "
        "model.",
        examples=["aura"],
    )
    resolution_ppi: int | None = Field(
        default=None,
        ge=250,
        le=1000,
        description="Resolution of its sensor, in pixels per inch, if it differs from the model's.",
        examples=[508],
    )
    image_px: tuple[int, int] | None = Field(
        default=None,
        description="Width and height of its image, in pixels, if they differ from the model's.",
        examples=[[192, 192]],
    )
    poll_s: float = Field(
        default=0.15,
        gt=0,
        le=2,
        description="Interval between requests for a finger, in seconds.",
        examples=[0.15],
    )
    idle_poll_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Interval between requests to a module at rest, in seconds.",
        examples=[5.0],
    )
    response_timeout_s: float = Field(
        default=2.0, gt=0, le=10, description="Time limit of one response, in seconds.", examples=[2.0]
    )

    @field_validator("baud")
    @classmethod
    def _a_rate_of_these_modules(cls, baud: int) -> int:
        if baud not in BAUDS:
            raise ValueError(
                f"{baud} is not a baud rate of these modules; choose one of {', '.join(map(str, BAUDS))}"
            )
        return baud

    @field_validator("password")
    @classmethod
    def _eight_digits(cls, password: SecretStr) -> SecretStr:
        text = password.get_secret_value()
        if len(text) != 8 or not all(digit in "0123456789abcdefABCDEF" for digit in text):
            raise ValueError("is not eight hexadecimal digits")
        return password

    @field_validator("image_px")
    @classmethod
    def _an_image(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and not all(16 <= edge <= 1024 and edge % 2 == 0 for edge in size):
            raise ValueError("is not an image size: two even numbers from 16 to 1024")
        return size


class Zfm(FingerprintScanner[ZfmSettings]):
    """A module on a serial line."""

    settings_model = ZfmSettings
    anonymizer = "drivers.anonymize.fingerprint:zfm"
    describe_chunk = staticmethod(describe_zfm)
    _lamp: Lamp = "none"
    _lit = False

    async def open(self) -> Identity:
        """Open the port, send the password, identify the module; raises LinkError."""
        need_libraries(self.settings)
        settings, known = self.settings, MODELS[self.settings.model]
        self.size_px = settings.image_px or (known.width_px, known.height_px)
        self.resolution_ppi = settings.resolution_ppi or known.resolution_ppi
        self.link = await self.links.serial(settings)
        self.protocol = ZfmProtocol(self.link, settings.address, settings.response_timeout_s, self.emit)
        await self._give_password()
        parameters = SystemParameters.parse(
            await self._told(Instruction.READ_PARAMETERS, "report its parameters")
        )
        if parameters is None:
            raise LinkError(
                Cause.WRONG_DEVICE,
                "The device at this port reports its parameters in an unknown format.",
                Action.CONFIGURE,
                "Check that the module is one of these models, and `port`.",
            )
        self._lamp = settings.lamp or known.lamp
        product = await self._product() if known.has_product_info else None
        if product is not None and settings.image_px is None:
            self.size_px = (product.width_px, product.height_px)
        return Identity(
            model=(product and product.model) or f"{settings.model.upper()} (system {parameters.system:04X})",
            serial_number=product and product.serial_number,
        )

    async def _give_password(self) -> None:
        password = bytes.fromhex(self.settings.password.get_secret_value())
        try:
            await self._told(Instruction.VERIFY_PASSWORD, "take a password", password)
        except LinkError as error:
            if error.cause not in (Cause.NO_RESPONSE, Cause.LINK_FAILED) or not self.protocol.has_received:
                raise
            # It had just started, or was sending an image to an earlier owner of the line: it received
            # nothing.
            await self.protocol.silence()
            await self._told(Instruction.VERIFY_PASSWORD, "take a password", password)

    async def _product(self) -> ProductInfo | None:
        code, content = await self.protocol.exchange(Instruction.READ_PRODUCT)
        return ProductInfo.parse(content) if code == ConfirmationCode.OK else None

    async def _told(self, instruction: Instruction, doing: str, parameters: bytes = b"") -> bytes:
        code, content = await self.protocol.exchange(instruction, parameters)
        if code != ConfirmationCode.OK:
            raise refusal_error(code, doing)
        return content

    async def close(self) -> None:
        """Switch the lamp off."""
        if self._lit:
            with contextlib.suppress(LinkError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._light(on=False)

    async def watch_idle(self) -> None:
        """Listen, and check at intervals that the module still responds."""
        while True:
            await self.protocol.listen(self.settings.idle_poll_s)
            await self._told(Instruction.READ_PARAMETERS, "report its parameters")

    async def prepare_capture(self, _wanted: CaptureFinger) -> None:
        """Read pending bytes of `watch_idle`."""
        await self.protocol.drain()

    async def wait_for_finger(self) -> None:
        """Poll for images until a finger is in one."""
        await self._look_until(there=True)

    async def wait_for_lift(self) -> None:
        """Poll for images until none has a finger."""
        await self._look_until(there=False)

    async def _look_until(self, *, there: bool) -> None:
        while (await self._look() is not None) is not there:  # noqa: ASYNC110 - a module sends nothing unasked
            await asyncio.sleep(self.settings.poll_s)

    async def _look(self) -> ConfirmationCode | None:
        """Send the instruction to take an image: None without a finger, else its confirmation code."""
        code, _ = await self.protocol.exchange(Instruction.TAKE_IMAGE)
        while (
            code == ConfirmationCode.PACKET_ERROR
        ):  # the instruction arrived damaged: no information on the finger
            await asyncio.sleep(self.settings.poll_s)
            code, _ = await self.protocol.exchange(Instruction.TAKE_IMAGE)
        match code:
            case ConfirmationCode.NO_FINGER:
                return None
            case ConfirmationCode.OK:
                return ConfirmationCode.OK
            case (
                ConfirmationCode.CAPTURE_FAILED
                | ConfirmationCode.MESSY
                | ConfirmationCode.FEW_FEATURES
                | ConfirmationCode.EXECUTION_FAILED
                | ConfirmationCode.TIMED_OUT
            ):
                return ConfirmationCode.CAPTURE_FAILED
            case _:
                raise refusal_error(code, "take an image")

    async def capture_image(self) -> Raster | CaptureFailure:
        """Take the image again, now that the finger rests, and transfer it."""
        looked = await self._look()
        if looked is None:
            return CaptureFailure(CaptureOutcome.LIFTED_TOO_EARLY)
        if looked is not ConfirmationCode.OK:
            return _FAILED
        code, _ = await self.protocol.exchange(Instruction.SEND_IMAGE)
        if code in (
            ConfirmationCode.IMAGE_UPLOAD_FAILED,
            ConfirmationCode.NO_VALID_IMAGE,
            ConfirmationCode.EXECUTION_FAILED,
            ConfirmationCode.PACKET_ERROR,
        ):
            return _FAILED
        if code != ConfirmationCode.OK:
            raise refusal_error(code, "send an image")
        data = await self.protocol.read_image()
        raster = None if data is None else unpack(data, *self.size_px, self.resolution_ppi)
        if raster is None and data is not None and len(data) in OTHER_IMAGES:
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"The module's images are not {self.size_px[0]} by {self.size_px[1]} pixels.",
                Action.CONFIGURE,
                "Correct `model`, or set `image_px`.",
            )
        return _FAILED if raster is None else raster

    async def show_feedback(self, feedback: FeedbackCode) -> None:
        """Set the lamp."""
        match self._lamp:
            case "aura":
                self._lit = True
                await self._try(Instruction.AURA_LAMP, _AURA.get(feedback, _AURA_TROUBLE))
            case "backlight" if not self._lit:
                await self._light(on=True)

    async def end_capture(self) -> None:
        """Read pending bytes, and switch the lamp off."""
        await self.protocol.drain()
        if self._lit:
            await self._light(on=False)

    async def _light(self, *, on: bool) -> None:
        self._lit = on
        match self._lamp:
            case "aura":
                await self._try(Instruction.AURA_LAMP, _AURA_OFF)
            case "backlight":
                await self._try(Instruction.LAMP_ON if on else Instruction.LAMP_OFF)

    async def _try(self, instruction: Instruction, parameters: bytes = b"") -> None:
        """Send an instruction that models without such a lamp refuse."""
        code, _ = await self.protocol.exchange(instruction, parameters)
        if code in UNKNOWN_INSTRUCTION:
            self._lamp, self._lit = "none", False


_FAILED = CaptureFailure(CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)
