"""Cameras of this machine: read by a thread through mapped buffers, of which only the latest frame is kept.

Source: Linux, `Documentation/userspace-api/media/v4l/mmap.rst` and `buffer.rst`. Needs the extra `uvc`.
"""

import contextlib
import errno
import mmap
import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from linuxpy.video import device as v4l2
from pydantic import AfterValidator, Field

from drivers.clock import boot_ns, suspended_ns
from drivers.links.address import found_node, node_address
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import LinkRights, Settings
from drivers.links.usb.devices import USB_ADDRESS, UsbDevice
from drivers.links.video.devices import (
    find_video,
    is_simulated,
    not_a_camera_error,
    open_error,
    unplugged_error,
)
from drivers.links.video.latest import FrameThread
from drivers.links.video.v4l2_setup import CAPTURE, Mode, configure

BUFFERS = 4
OPEN_S = 10.0
"""Time limit for the start of a camera, in seconds: the kernel sends it a dozen requests over USB."""
SUSPENDED_NS = 100_000_000
"""Difference of CLOCK_BOOTTIME and CLOCK_MONOTONIC that counts as a suspend."""
MMAP = v4l2.Memory.MMAP


class VideoSettings(Settings):
    """Address and settings of a camera. Missing settings keep the camera's values."""

    port: Annotated[str, AfterValidator(partial(node_address, usb_address=USB_ADDRESS))] = Field(
        description="`usb:VID:PID`, `usb:VID:PID:SERIAL`, `usb:VID:PID@SOCKET`, or a path such as "
        "/dev/v4l/by-id/...-index0",
        examples=["usb:046D:0825"],
    )
    size: str | None = Field(
        default=None,
        pattern=r"^[1-9]\d{1,4}x[1-9]\d{1,4}$",
        description="Width and height, in pixels. Default: the largest up to 1920x1080.",
        examples=["1280x720"],
    )
    frames_per_s: float | None = Field(
        default=None,
        gt=0,
        le=120,
        description="Frames per second, where the camera offers that rate.",
        examples=[15],
    )
    exposure_ms: float | Literal["auto"] | None = Field(
        default=None, description="Exposure time of a frame, in milliseconds, or `auto`.", examples=[16.6]
    )
    focus: int | Literal["auto"] | None = Field(
        default=None,
        description="Position of the lens, in the camera's own units, or `auto`.",
        examples=["auto"],
    )
    no_frame_timeout_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Without a new frame for so long the camera has stalled, in seconds.",
        examples=[2.0],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the camera's node."""
        finder = partial(found_node, lambda: find_video(self.port)[0])
        return super().link_rights() | LinkRights(node_finders=(finder,))


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame as delivered by the camera."""

    content: bytes
    made_ns: int
    """Arrival of its first byte, by CLOCK_BOOTTIME, or somewhat earlier."""


class VideoLink(FrameThread[VideoFrame]):
    """A camera that is being read: an async context manager."""

    def __init__(self, settings: VideoSettings, on_damaged: Callable[[], None]) -> None:
        """`on_damaged` is called in the loop for each frame that the kernel flags as damaged."""
        silence_s = settings.no_frame_timeout_s
        super().__init__("v4l2", OPEN_S + silence_s, silence_s)
        self._settings = settings
        self._on_damaged = on_damaged
        self._damaged_in_a_row = 0
        self._wakeup_fd = -1
        """An eventfd that ends the thread's poll."""
        self.mode: Mode
        """Format of the frames: known once the camera is open."""
        self.name = ""
        """Name of the camera, as the device states it."""
        self.usb: UsbDevice | None = None
        """USB descriptors, when the camera is addressed by them."""

    async def __aenter__(self) -> Self:
        """Open, set up, and wait for the first frame; raises LinkError."""
        self._wakeup_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return await super().__aenter__()

    async def _stop(self) -> None:
        await super()._stop()
        os.close(self._wakeup_fd)

    def _interrupt_read(self) -> None:
        os.eventfd_write(self._wakeup_fd, 1)

    # In the thread.

    def _read(self) -> None:
        settings = self._settings
        path, self.usb = find_video(settings.port)
        fd = -1
        try:
            # Not through linuxpy's Device, which reads every format and control.
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._identify(fd)
            self.mode = configure(
                fd,
                settings.port,
                settings.size,
                settings.frames_per_s,
                settings.exposure_ms,
                settings.focus,
            )
            with _mapped(fd) as buffers:
                for n in range(len(buffers)):
                    v4l2.enqueue_buffer(fd, CAPTURE, MMAP, 0, n)
                v4l2.stream_on(fd, CAPTURE)
                try:
                    self._stream(fd, buffers)
                except OSError as error:
                    raise self._to_link_error(error) from error
                finally:
                    with contextlib.suppress(OSError):
                        v4l2.stream_off(fd, CAPTURE)
        except OSError as error:
            raise open_error(settings.port, path, error) from error
        finally:
            if fd >= 0:
                os.close(fd)

    def _identify(self, fd: int) -> None:
        found = v4l2.read_capabilities(fd)
        can = found.device_caps if found.capabilities & v4l2.Capability.DEVICE_CAPS else found.capabilities
        if not (can & v4l2.Capability.VIDEO_CAPTURE and can & v4l2.Capability.STREAMING):
            raise not_a_camera_error(self._settings.port)
        self.name = found.card.decode(errors="replace")
        self.is_simulated = is_simulated(found.driver.decode(errors="replace"), self.usb)

    def _stream(self, fd: int, buffers: list[mmap.mmap]) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self._wakeup_fd, select.POLLIN)
        looked_ns, asleep_ns = boot_ns(), suspended_ns()
        while not self._latest.is_stopped:
            polled = dict(poll.poll())
            newest, found = self._dequeue_newest(fd)
            if not found and polled.get(fd, 0) & (select.POLLERR | select.POLLHUP):
                raise unplugged_error(self._settings.port)
            before_ns, looked_ns = looked_ns, boot_ns()
            slept_ns, asleep_ns = suspended_ns() - asleep_ns, suspended_ns()
            if newest is None:
                continue
            # A frame that waited during a suspend seems recent by CLOCK_MONOTONIC, which stops then.
            if slept_ns < SUSPENDED_NS:
                made_ns = self._made_ns(newest, before_ns, looked_ns)
                self._latest.put(VideoFrame(buffers[newest.index][: newest.bytesused], made_ns))
            v4l2.enqueue_buffer(fd, CAPTURE, MMAP, 0, newest.index)

    def _dequeue_newest(self, fd: int) -> tuple[Any, int]:
        """Return the latest whole frame of the queue, and the number of frames; all others are requeued."""
        newest, found = None, 0
        while True:
            try:
                buffer = v4l2.dequeue_buffer(fd, CAPTURE, MMAP)
            except BlockingIOError:
                return newest, found
            found += 1
            if buffer.flags & v4l2.BufferFlag.ERROR:
                self._damaged_in_a_row += 1
                self._latest.call_in_loop(self._on_damaged)
            else:
                self._damaged_in_a_row = 0
                newest, buffer = buffer, newest
            if buffer is not None:
                v4l2.enqueue_buffer(fd, CAPTURE, MMAP, 0, buffer.index)

    def _made_ns(self, buffer: Any, before_ns: int, now_ns: int) -> int:
        """Return the arrival of its first byte, or the earliest possible time.

        `before_ns`: time of the last look with an empty queue, so the frame ended after that.
        """
        flags = v4l2.BufferFlag
        if buffer.flags & flags.TIMESTAMP_MASK == flags.TIMESTAMP_MONOTONIC:
            stamped_ns = buffer.timestamp.secs * 10**9 + buffer.timestamp.usecs * 1000 + suspended_ns()
            if buffer.flags & flags.TSTAMP_SRC_MASK != flags.TSTAMP_SRC_SOE:
                stamped_ns -= self.mode.interval_ns
            if stamped_ns <= now_ns:
                return int(stamped_ns)
        return before_ns - self.mode.interval_ns

    # Errors.

    def _ended_error(self) -> LinkError:
        return unplugged_error(self._settings.port)

    def _no_frame_error(self) -> LinkError:
        settings = self._settings
        if self._damaged_in_a_row:
            return LinkError(
                Cause.LINK_FAILED,
                f"The camera at {settings.port} sends only damaged frames, {self._damaged_in_a_row} so far.",
                Action.REPLUG,
                "Plug it into another port, without a hub or an extension; change its cable.",
            )
        return LinkError(
            Cause.NO_RESPONSE,
            f"The camera at {settings.port} has sent no frame for {settings.no_frame_timeout_s:g} seconds.",
            Action.REPLUG,
            "Unplug the camera, wait five seconds, plug it in again.",
        )

    def _to_link_error(self, error: OSError) -> LinkError:
        if error.errno in (errno.ENODEV, errno.ENXIO, errno.ENOENT):
            return unplugged_error(self._settings.port)
        return LinkError(
            Cause.LINK_FAILED,
            f"The camera at {self._settings.port} stopped ({os.strerror(error.errno or 0)}).",
            Action.REPLUG,
            "Unplug the camera, wait five seconds, plug it in again.",
        )


@contextlib.contextmanager
def _mapped(fd: int) -> Iterator[list[mmap.mmap]]:
    """Map buffers of the kernel into memory."""
    buffers = v4l2.create_mmap_buffers(fd, CAPTURE, MMAP, BUFFERS)
    try:
        yield buffers
    finally:
        for buffer in buffers:
            buffer.close()
