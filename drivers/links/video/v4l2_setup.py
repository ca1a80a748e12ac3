"""Settings of a Video4Linux camera before it streams: format, size, rate, exposure and focus.

Source: Linux, `Documentation/userspace-api/media/v4l/`: `vidioc-enum-fmt`, `vidioc-enum-framesizes`,
`vidioc-g-fmt`, `vidioc-g-parm`, `ext-ctrls-camera`. Uses linuxpy's structures; each call may wait for the
camera over USB, so all of it belongs into a thread.
"""

import contextlib
import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from linuxpy.ioctl import ioctl
from linuxpy.video import device as v4l2
from linuxpy.video import raw

from drivers.links.link import Action, Cause, LinkError

MJPEG = ("MJPG", "JPEG")
YUYV = "YUYV"
LARGEST = 1920 * 1080
"""Upper limit of the default size, in pixels."""
UNKNOWN_INTERVAL_NS = 200_000_000
"""Frame interval of a camera that does not state one."""
EXPOSURE_UNITS_MS = 10
"""Exposure counts tenths of a millisecond."""
AUTOMATIC, MANUAL, APERTURE_PRIORITY = 0, 1, 3
"""Values of V4L2_CID_EXPOSURE_AUTO; webcams call the last one automatic, because they have no aperture."""
FULL_RANGE, JPEG_COLOURS = 1, 7
CAPTURE = v4l2.BufferType.VIDEO_CAPTURE
Auto = Literal["auto"]


@dataclass(frozen=True, slots=True)
class Mode:
    """Format of the frames."""

    fourcc: str
    width_px: int
    height_px: int
    line_bytes: int
    """Distance of two lines of an uncompressed frame."""
    full_range: bool
    """True if black is 0 and white 255, and not 16 and 235."""
    interval_ns: int
    """Frame interval."""


def configure(
    fd: int,
    address: str,
    size: str | None,
    frames_per_s: float | None,
    exposure_ms: float | Auto | None,
    focus: int | Auto | None,
) -> Mode:
    """Configure the camera; raises LinkError for an unsupported setting, and OSError."""
    fourcc = _format(fd, address)
    width, height = _size(fd, address, fourcc, size)
    v4l2.set_format(fd, CAPTURE, width, height, fourcc)
    pix = v4l2.get_raw_format(fd, CAPTURE).fmt.pix
    if (pix.width, pix.height, _text(pix.pixelformat)) != (width, height, fourcc):
        raise _cannot(address, f"does not keep to {width}x{height} in {fourcc}", "Set another `size`.")
    if frames_per_s is not None:
        v4l2.set_fps(fd, CAPTURE, frames_per_s)
    if exposure_ms is not None:
        _expose(fd, address, exposure_ms)
    if focus is not None:
        _focus(fd, address, focus)
    full = pix.quantization == FULL_RANGE or (pix.quantization == 0 and pix.colorspace == JPEG_COLOURS)
    return Mode(fourcc, width, height, pix.bytesperline, full, _interval_ns(fd))


def _format(fd: int, address: str) -> str:
    wanted = raw.v4l2_fmtdesc()
    wanted.type = CAPTURE
    formats = [_text(each.pixelformat) for each in v4l2.iter_read(fd, v4l2.IOC.ENUM_FMT, wanted)]
    for fourcc in (*MJPEG, YUYV):
        if fourcc in formats:
            return fourcc
    has = f"only {', '.join(formats)}" if formats else "none"
    raise _cannot(address, f"has no supported format: {has}", "Use a camera with MJPG or YUYV.")


def _size(fd: int, address: str, fourcc: str, wanted: str | None) -> tuple[int, int]:
    sizes = list(_sizes(fd, fourcc))
    if wanted is None:
        small = [size for size in sizes if size[0] * size[1] <= LARGEST]
        if small:
            return max(small, key=lambda size: (size[0] * size[1], size))
        pix = v4l2.get_raw_format(fd, CAPTURE).fmt.pix
        return pix.width, pix.height
    width, height = map(int, wanted.split("x"))
    if sizes and (width, height) not in sizes:
        has = ", ".join(f"{w}x{h}" for w, h in sorted(set(sizes)))
        raise _cannot(address, f"has no frames of {wanted} in {fourcc}", f"Set `size` to one of {has}.")
    return width, height


def _sizes(fd: int, fourcc: str) -> Iterator[tuple[int, int]]:
    """Yield the listed sizes. USB cameras list each; a freely scalable camera lists none here."""
    wanted = raw.v4l2_frmsizeenum()
    wanted.pixel_format = raw.v4l2_fourcc(*fourcc)
    for each in v4l2.iter_read(fd, v4l2.IOC.ENUM_FRAMESIZES, wanted):
        if each.type == v4l2.FrameSizeType.DISCRETE:
            yield each.m1.discrete.width, each.m1.discrete.height


def _interval_ns(fd: int) -> int:
    with contextlib.suppress(OSError):
        each = v4l2.get_parm(fd, CAPTURE).parm.capture.timeperframe
        if each.numerator and each.denominator:
            return int(each.numerator * 1_000_000_000 // each.denominator)
    return UNKNOWN_INTERVAL_NS


def _expose(fd: int, address: str, wanted: float | Auto) -> None:
    ids = v4l2.ControlID
    modes = _menu(fd, ids.EXPOSURE_AUTO)
    if wanted == "auto":
        automatic = [mode for mode in (AUTOMATIC, APERTURE_PRIORITY) if mode in modes]
        if not automatic:
            raise _cannot(address, "has no automatic exposure", "Set `exposure_ms` to a time.")
        v4l2.set_control(fd, ids.EXPOSURE_AUTO, automatic[0])
        return
    control = _control(fd, ids.EXPOSURE_ABSOLUTE)
    if control is None:
        raise _cannot(address, "has no adjustable exposure", "Remove `exposure_ms`.")
    value = _within(address, "exposure_ms", wanted, control, EXPOSURE_UNITS_MS)
    if MANUAL in modes:
        v4l2.set_control(fd, ids.EXPOSURE_AUTO, MANUAL)
    v4l2.set_control(fd, ids.EXPOSURE_ABSOLUTE, value)


def _focus(fd: int, address: str, wanted: int | Auto) -> None:
    ids = v4l2.ControlID
    automatic = _control(fd, ids.FOCUS_AUTO)
    if wanted == "auto":
        if automatic is None:
            raise _cannot(address, "has no automatic focus", "Remove `focus`, or set a value.")
        v4l2.set_control(fd, ids.FOCUS_AUTO, 1)
        return
    control = _control(fd, ids.FOCUS_ABSOLUTE)
    if control is None:
        raise _cannot(address, "has no adjustable focus", "Remove `focus`.")
    value = _within(address, "focus", wanted, control, 1)
    if automatic is not None:
        v4l2.set_control(fd, ids.FOCUS_AUTO, 0)
    v4l2.set_control(fd, ids.FOCUS_ABSOLUTE, value)


def _control(fd: int, number: int) -> Any:
    """Query a control; None where the camera does not have it."""
    control = raw.v4l2_queryctrl()
    control.id = number
    try:
        ioctl(fd, v4l2.IOC.QUERYCTRL, control)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTTY):
            return None
        raise
    return None if control.flags & v4l2.ControlFlag.DISABLED else control


def _menu(fd: int, number: int) -> set[int]:
    """Return the choices of a control; none where the camera does not have it."""
    control = _control(fd, number)
    if control is None:
        return set()
    choice = raw.v4l2_querymenu()
    choice.id = number
    choices = v4l2.iter_read(
        fd, v4l2.IOC.QUERYMENU, choice, control.minimum, control.maximum + 1, ignore_einval=True
    )
    return {each.index for each in choices}


def _within(address: str, name: str, wanted: float, control: Any, units: int) -> int:
    value = round(wanted * units)
    if not control.minimum <= value <= control.maximum:
        raise _cannot(
            address,
            f"cannot have {name} = {wanted:g}",
            f"Set `{name}` from {control.minimum / units:g} to {control.maximum / units:g}.",
        )
    return int(value - (value - control.minimum) % max(control.step, 1))


def _cannot(address: str, what: str, how: str) -> LinkError:
    return LinkError(Cause.WRONG_DEVICE, f"The camera at {address} {what}.", Action.CONFIGURE, how)


def _text(fourcc: int) -> str:
    """Return the four characters; `?` for each that is not printable."""
    return re.sub(r"[^!-~]", "?", fourcc.to_bytes(4, "little").decode("latin-1").rstrip())
