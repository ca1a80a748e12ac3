"""Driver whose line scripts it: count, attach an image, crash, hang, fail, stay silent.

Installed by entry point, as another package would be: this also shows that others can add drivers.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

from plugin_words import VOCABULARY, Level, Numbered, NumberedTraveller

from drivers.driver import BadFrame, Driver, Family, Identity, StateCode, Status
from drivers.links.link import Action, Cause, CredentialsRefusedError
from drivers.links.serial import SerialSettings
from drivers.links.settings import LinkRights
from drivers.observation import Attachment, Observation

SECRET = "WANJIKU"


class FaultySettings(SerialSettings):
    """Settings of a driver that also reads a label beside its port, and loads libusb."""

    has_broken_rights: bool = False

    def link_rights(self) -> LinkRights:
        """Return the rights to the port, its folder, and libusb."""
        if self.has_broken_rights:
            raise RuntimeError("rights that cannot be computed")
        folder = Path(self.port).parent
        return super().link_rights() | LinkRights(readable=frozenset({folder}), kernel_events=True)


class FaultyDriver(Driver[FaultySettings]):
    """Executes each line from its port."""

    family = Family("test_device")
    vocabulary = VOCABULARY
    settings_model = FaultySettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (Numbered, NumberedTraveller, Level)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        label = Path(f"{self.settings.port}.label")  # label on the device, replaced with it
        serial_number = label.read_text() if label.exists() else "FAULTY-1"
        return Identity(model="faulty", serial_number=serial_number, firmware="1.0")

    async def watch(self) -> AsyncIterator[Observation | BadFrame | Status]:
        """Execute the lines."""
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                match line.decode().split():
                    case ["say", number]:
                        yield Numbered(number=int(number))
                    case ["traveller", number]:
                        yield NumberedTraveller(number=int(number))
                    case ["stand", number]:
                        yield Level(number=int(number))
                    case ["picture", number, size]:
                        picture = Attachment.from_bytes("picture", "image/png", os.urandom(int(size)))
                        yield Numbered(number=int(number), attachments=(picture,))
                    case ["crash"]:
                        ctypes.string_at(0)
                    case ["crash", "libusb"]:
                        from usb.backend import libusb1

                        libusb1.get_backend().lib.libusb_unref_device(ctypes.c_void_p(8))
                    case ["trace", "me"]:
                        ctypes.CDLL(None).ptrace(0, 0, 0, 0)
                    case ["hang"]:
                        time.sleep(3600)
                    case ["spin"]:
                        while True:
                            pass
                    case ["compute", seconds]:  # of processor time, without a heartbeat
                        until_s = time.process_time() + float(seconds)
                        while time.process_time() < until_s:
                            pass
                        yield Numbered(number=0)
                    case ["work", seconds]:  # of processor time, with heartbeats
                        until_s = time.process_time() + float(seconds)
                        while time.process_time() < until_s:
                            await asyncio.sleep(0)
                    case ["print", lines]:
                        for _ in range(int(lines)):
                            os.write(
                                1,
                                b"printed by a driver, with its line end, every time the same text\n",
                            )
                    case ["print", "endless", size]:
                        os.write(2, b"x" * int(size))
                    case ["bug"]:
                        raise ValueError(f"cannot read {SECRET}")
                    case ["end"]:
                        return
                    case ["refuse"]:
                        raise CredentialsRefusedError(
                            Cause.NO_PERMISSION, "It refuses its password.", Action.CONFIGURE, "Correct it."
                        )
                    case ["busy"]:
                        yield Status(StateCode.BUSY)
                    case ["well"]:
                        yield Status(StateCode.ONLINE)
                    case ["noise"]:
                        yield BadFrame("noise", line)
