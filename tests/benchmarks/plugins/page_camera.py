"""A page reader for the benchmark: a line `page N` on its link is a page in three lights, 6 MB in all.

The images exist before the line comes, as a device would supply them. Computing their digests is the driver's
work and counts.
"""

import os
from collections.abc import AsyncIterator
from typing import ClassVar

from page_words import VOCABULARY, PageSeen

from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from drivers.observation import Attachment, Observation

LIGHTS = ("page_ir", "page_uv", "page_white")
LIGHT_BYTES = 2_000_000


class PageCamera(Driver[SerialSettings]):
    """A reader with three images per page."""

    family = Family("test_device")
    vocabulary = VOCABULARY
    settings_model = SerialSettings
    observation_types: ClassVar[tuple[type[Observation], ...]] = (PageSeen,)

    async def open(self) -> Identity:
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        self.images = [os.urandom(LIGHT_BYTES) for _ in LIGHTS]
        return Identity(model="page camera")

    async def watch(self) -> AsyncIterator[Observation]:
        """Yield a page for every line."""
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\n")
            for line in lines:
                yield PageSeen(
                    text=line.decode().strip(),
                    attachments=tuple(
                        Attachment.from_bytes(role, "image/x-portable-pixmap", image)
                        for role, image in zip(LIGHTS, self.images, strict=True)
                    ),
                )
