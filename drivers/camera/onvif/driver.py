"""ONVIF cameras: driver `camera-onvif`.

The camera states the addresses of its pictures, which are then read as from any other camera, over HTTP or by
RTSP. Events of a pull point report its health. Sources: ONVIF Profile S Specification 1.3, Profile T
Specification 1.0; see the modules beside this one.
"""

import asyncio
import contextlib
from typing import Any

from pydantic import ValidationError

from drivers.camera.camera import FrameSource, PictureCamera
from drivers.camera.onvif.clock import zone_offset
from drivers.camera.onvif.device import OnvifDevice
from drivers.camera.onvif.discovery import find
from drivers.camera.onvif.health import IMAGE_DEGRADED, SIGNAL_LOST, TAMPERED, CameraHealth
from drivers.camera.onvif.media import Media, MediaProfile, media_of
from drivers.camera.onvif.pull_points import PullPointSubscription
from drivers.camera.onvif.settings import OnvifSettings
from drivers.camera.onvif.soap import FaultError
from drivers.camera.rtsp import RtspCameraSettings, RtspFrameSource
from drivers.camera.snapshot import HttpSnapshotSettings, SnapshotFrameSource
from drivers.driver import Identity, StateCode, Status
from drivers.links.link import Action, Cause, LinkError

WAIT_S = 0.5
"""Time limit of the camera's wait in a pull.

It is the heartbeat too: a camera that hangs is detected within two of these, a pause and the slack, which is
2.7 s. A pull costs 4 ms of a core, nearly all of it for HTTP, so a silent camera costs 0.6 % of one: longer
waits would be cheaper, and detection later.
"""
SLACK_S = 1.5
"""Time limit of a response beyond that."""
PAUSE_S = 0.2
"""Pause between two pulls: some cameras respond at once without an event."""
RETRY_S = 1.0
"""Pause between two checks of a camera without events."""
NEWS_S = 3.0
"""Change of the clock in pull responses after which the clock itself is read, in seconds.

Some cameras write a wrong time into pull responses.
"""
CHURN_S = 5.0
"""Change of the offset that is reported again."""
EVENTS_UNAVAILABLE = Status(
    StateCode.DEGRADED,
    Cause.DEVICE_FAULT,
    "The camera provides pictures, but accepts no subscription: tampering is not detected.",
    Action.RESTART,
    "Check its other subscribers, then restart the camera. Or set `events = false`.",
)


class OnvifCamera(PictureCamera[OnvifSettings]):
    """A camera of ONVIF's profile S or T."""

    settings_model = OnvifSettings
    anonymizer = "drivers.anonymize.camera_http:blank_contents"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._conditions = CameraHealth(self.settings.tamper_input, self.settings.tamper_closed)
        self._subscription: PullPointSubscription | None = None
        self._has_pulled = False
        """True once a pull of this subscription succeeded, even without events."""
        self._reported_offset_s: float | None = None
        """Offset of the clock in the last report."""

    async def open(self) -> Identity:
        """Find the camera, read the addresses of its pictures, and request one; raises LinkError."""
        wanted = self.settings.discovery
        url = self.settings.url if wanted is None else await find(wanted)
        assert url is not None, "settings are validated"
        try:
            reached = self.settings.http_settings(url)
        except ValidationError:
            raise _in_clear() from None
        self.device = device = OnvifDevice(self.links, reached)
        try:
            await device.read_clock()
            await device.read_services()
            identity = await device.identity()
            media = media_of(device)
            profile = self._choose_profile([] if media is None else await media.profiles())
            assert media is not None, "it has a profile"
            self.frame_source = await self._open_frame_source(media, profile)
        except FaultError as fault:
            raise device.fault_error(fault) from None
        self._report_clock()
        return identity

    async def close(self) -> None:
        """Cancel the subscription, if the camera is reachable."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(LinkError, FaultError):
                await subscription.unsubscribe()

    async def monitor(self) -> None:
        """Monitor pictures and events; ends only by raising LinkError."""
        both = [
            asyncio.create_task(self.frame_source.monitor(self)),
            asyncio.create_task(self._pull_events()),
        ]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await next(iter(done))
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    # Pictures

    def _choose_profile(self, profiles: list[MediaProfile]) -> MediaProfile:
        """Return the configured profile, or the largest within the limit; raises LinkError for none."""
        wanted, widest = self.settings.profile, self.settings.width_max_px
        if wanted is not None:
            fitting = [each for each in profiles if wanted in (each.token, each.name)]
            lacking = f"has no media profile {wanted}"
        else:
            fitting = [each for each in profiles if each.width_px <= widest]
            lacking = f"has no media profile with video of at most {widest} pixels"
        if not fitting:
            sizes = ", ".join(sorted({f"{each.width_px}x{each.height_px}" for each in profiles})[:8])
            raise LinkError(
                Cause.WRONG_DEVICE,
                f"The camera {lacking}.",
                Action.CONFIGURE,
                f"Correct `profile` or `width_max_px`: its profiles are of {sizes}."
                if profiles
                else "Add a profile with video in the camera, by its web page or its manufacturer's program.",
            )
        return max(fitting, key=lambda each: each.width_px * each.height_px)

    async def _open_frame_source(self, media: Media, profile: MediaProfile) -> FrameSource:
        """Open the source of its pictures, and test it; raises LinkError, or FaultError."""
        wanted = self.settings.picture_source
        given = "" if wanted == "stream" else await media.snapshot_address(profile)
        if wanted == "snapshot" or given:
            return await self._snapshots(given)
        return await self._stream(await media.stream_address(profile))

    async def _snapshots(self, given: str) -> FrameSource:
        place = self.device.addresses.service(given)
        if place is None:
            raise _no_pictures("snapshot", 'Set `picture_source = "stream"`.')
        link = await self.device.http(place.origin)
        plain = self.device.settings_at(place.origin).model_dump()
        eye = SnapshotFrameSource(
            HttpSnapshotSettings(path=place.path, **plain), link, "the address that it states"
        )
        await eye.check(self)
        return eye

    async def _stream(self, given: str) -> FrameSource:
        place = self.device.addresses.stream(given, self.settings.stream_port)
        if place is None:
            raise _no_pictures("stream", "Switch RTSP on in the camera.")
        try:
            settings = _StreamSettings(
                url=place.address,
                username=self.settings.username,
                password=self.settings.password,
                ca_file=self.settings.ca_file if place.address.startswith("rtsps:") else None,
                allow_cleartext=self.settings.allow_cleartext,
                allow_cleartext_password=self.settings.allow_cleartext_password,
            )
        except ValidationError:
            raise self.device.cleartext_error() from None
        return await RtspFrameSource.open(settings, self.links)

    # Events

    async def _pull_events(self) -> None:
        """Pull events; each response is a heartbeat. Ends only by raising LinkError."""
        while True:
            try:
                if self._subscription is None and self.settings.events and "tev" in self.device.services:
                    await self._subscribe()
                if self._subscription is None:
                    await self.device.read_clock(SLACK_S)
                    await asyncio.sleep(RETRY_S)
                else:
                    await self._pull(self._subscription)
                    await asyncio.sleep(PAUSE_S)
            except FaultError as fault:
                if fault.is_unauthorized:
                    raise self.device.fault_error(fault) from None
                await self._resubscribe()
            self._report_clock()

    async def _subscribe(self) -> None:
        try:
            self._subscription = await PullPointSubscription.create(self.device, self.settings.subscription_s)
        except FaultError as fault:
            if fault.is_unauthorized:
                raise
            self.set_problem("events", EVENTS_UNAVAILABLE)
        self._conditions.clear()

    async def _resubscribe(self) -> None:
        """Drop a subscription that the camera has lost or cannot renew; the next pull creates another."""
        if not self._has_pulled:
            self.set_problem("events", EVENTS_UNAVAILABLE)
        await self.close()
        await asyncio.sleep(PAUSE_S if self._has_pulled else RETRY_S)
        self._has_pulled = False

    async def _pull(self, subscription: PullPointSubscription) -> None:
        pulled = await subscription.pull(WAIT_S, WAIT_S + SLACK_S)
        self._has_pulled = True
        self.set_problem("events", None)
        self._conditions.update(pulled.notices)
        for status in (SIGNAL_LOST, TAMPERED, IMAGE_DEGRADED):
            self.set_problem(status.text, status if self._conditions.is_active(status) else None)
        said = pulled.camera_time
        if said is not None and abs((said - self.device.clock.now()).total_seconds()) > NEWS_S:
            await self.device.read_clock()
        if subscription.is_renewal_due:
            await subscription.renew()

    def _report_clock(self) -> None:
        """Report a wrong clock, once until its offset changes."""
        off_s, said_s = self.device.clock.offset_s, self._reported_offset_s
        if abs(off_s) <= self.settings.clock_tolerance_s:
            self._reported_offset_s = None
            self.set_problem("clock", None)
        elif said_s is None or abs(off_s - said_s) > CHURN_S:
            self._reported_offset_s = off_s
            self.set_problem("clock", _clock_off(off_s))


class _StreamSettings(RtspCameraSettings):
    """A stream at an address stated by the camera: some write passwords into its path."""

    @property
    def display_url(self) -> str:
        return "/".join(self.url.split("/")[:3])


def _in_clear() -> LinkError:
    return LinkError(
        Cause.WRONG_DEVICE,
        "The camera that was found offers its services only unencrypted over a network.",
        Action.CONFIGURE,
        "Switch TLS on in the camera, or add `allow_cleartext = true` only where no other machine can reach "
        "that network.",
    )


def _no_pictures(what: str, how: str) -> LinkError:
    return LinkError(
        Cause.WRONG_DEVICE,
        f"The camera states no usable address of a {what}.",
        Action.CONFIGURE,
        how,
    )


def _clock_off(off_s: float) -> Status:
    if (zone := zone_offset(off_s)) is not None:
        return Status(
            StateCode.DEGRADED,
            Cause.CLOCK_WRONG,
            f"The camera states its local time as UTC: its clock is {zone} off, which is a time zone. Its "
            "pictures are not affected, the times of its events are wrong.",
            Action.CONFIGURE,
            "Set the time zone of the camera to UTC, or install newer firmware; NTP does not correct it.",
        )
    amount, unit = abs(off_s), "seconds"
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if amount >= 2 * size:
            amount, unit = amount / size, name
            break
    direction = "ahead" if off_s > 0 else "behind"
    return Status(
        StateCode.DEGRADED,
        Cause.CLOCK_WRONG,
        f"The camera's clock is {amount:.0f} {unit} {direction}; its pictures are not affected.",
        Action.CONFIGURE,
        "Configure NTP in the camera, with this post's time server.",
    )
