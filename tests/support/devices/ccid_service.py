"""A pcscd with a simulated USB reader, by libccid and libusb; runs inside `pcscd.in_namespace`."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Self

from support.devices.pcscd import CCID_DRIVER, PCSCD
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from simulators.passport.ccid import PRODUCT_ID, VENDOR_ID, CcidReader
from simulators.usb.emulated_bus import EmulatedBus

CCID_SLOT = "OMNIKEY 5022"


class CcidService:
    """The service with one USB reader. An async context manager."""

    def __init__(self, folder: Path, reader: CcidReader) -> None:
        self.folder, self.reader = folder, reader
        self._daemon: asyncio.subprocess.Process | None = None
        self._bus = EmulatedBus()

    async def __aenter__(self) -> Self:
        await self._bus.__aenter__()
        self._bus.connect(1, self.reader)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # The library ends a program whose bus is gone.
        await self.stop()
        self.reader.close()
        await self._bus.__aexit__()

    async def start(self) -> None:
        """Start the service, and wait until it lists the slot."""
        node = self._bus.node(1)
        (self.folder / "ccid.conf").write_text(
            f'FRIENDLYNAME "{CCID_SLOT}"\nDEVICENAME usb:{VENDOR_ID:04x}/{PRODUCT_ID:04x}:libudev:0:{node}\n'
            f"LIBPATH {CCID_DRIVER}\nCHANNELID 0\n"
        )
        with (self.folder / "pcscd.log").open("ab") as log:
            self._daemon = await asyncio.create_subprocess_exec(
                *(PCSCD, "--foreground", "--disable-polkit", "--config", self.folder / "ccid.conf"),
                env=os.environ | self._bus.environment,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(LinkError):
                    async with LinkFactory().smart_card(CCID_SLOT):
                        return
                assert self._daemon.returncode is None, (self.folder / "pcscd.log").read_text()
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the service."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.terminate()
            await daemon.wait()
