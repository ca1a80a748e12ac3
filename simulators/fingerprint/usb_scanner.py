"""Common behaviour of USB scanners: a device with a platen, and the faults of both."""

import asyncio
from collections.abc import Callable

from simulators.errors import SimulatorError
from simulators.faults import Fault, Unplug
from simulators.fingerprint.faults import DirtySensor, StuckFinger
from simulators.fingerprint.fingers import Sensor
from simulators.fingerprint.platen import Platen
from simulators.usb.device import UsbDevice, UsbDeviceDescription
from simulators.usb.faults import UsbFault


class UsbScanner(UsbDevice):
    """A scanner in a USB port."""

    def __init__(self, description: UsbDeviceDescription, sensor: Sensor) -> None:
        super().__init__(description)
        self.platen = Platen(sensor)
        self.platen.on_change = self.on_finger_changed
        self.images = 0
        """Number of images sent."""
        self._wiping: asyncio.TimerHandle | None = None
        self._loosening: asyncio.TimerHandle | None = None

    def on_finger_changed(self) -> None:
        """Handle a finger that was placed or lifted."""

    def inject_scanner_fault(self, fault: Fault) -> None:
        """Inject a fault, which applies now or to the next transfers or images, depending on its kind."""
        match fault:
            case Unplug(for_s=for_s):
                self.unplug(for_s)
            case UsbFault():
                self.inject(fault)
            case StuckFinger(for_s=for_s):
                self.platen.set_stuck(True)
                self._loosening = _undone(self._loosening, for_s, lambda: self.platen.set_stuck(False))
            case DirtySensor(for_s=for_s):
                self.platen.set_dirty(True)
                self._wiping = _undone(self._wiping, for_s, lambda: self.platen.set_dirty(False))
            case _:
                raise SimulatorError(f"{self.description.product} cannot have {type(fault).__name__}")

    def clear_faults(self) -> None:
        """See `UsbDevice.clear_faults`: also cleans the glass."""
        self._cancel_timers()
        self.platen.set_dirty(False)
        self.platen.set_stuck(False)
        super().clear_faults()

    def close(self) -> None:
        """Unplug permanently."""
        self._cancel_timers()
        super().close()

    def _cancel_timers(self) -> None:
        for timer in (self._wiping, self._loosening):
            if timer is not None:
                timer.cancel()


def _undone(
    before: asyncio.TimerHandle | None, for_s: float | None, undo: Callable[[], None]
) -> asyncio.TimerHandle | None:
    """Schedule the end of a fault, whether the scanner has power then or not."""
    if before is not None:
        before.cancel()
    return None if for_s is None else asyncio.get_running_loop().call_later(for_s, undo)
