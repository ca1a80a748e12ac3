"""RTSP streams of cameras: read and decoded by a thread, of which only the latest frame is kept.

Over TCP (RFC 2326, section 10.12): packets arrive late instead of being lost. The messages and packets are
those of `drivers/links/rtsp/`; FFmpeg (PyAV) only decodes. Credentials go to the configured host and port:
redirects are refused, certificates are verified, and Basic is only for TLS.

Incomplete frames are skipped: see `frame_integrity.py`.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from pydantic import Field, SecretStr, field_validator, model_validator

from drivers.clock import boot_ns
from drivers.links.address import is_loopback
from drivers.links.http.auth import AuthenticationError, Authenticator
from drivers.links.http.reachability import wait_until_restarted
from drivers.links.link import Action, Cause, LinkError, credentials_error
from drivers.links.rtsp.client import ConnectionEndedError, RedirectError, RtspClient, StatusError
from drivers.links.rtsp.messages import RtspSyntaxError
from drivers.links.rtsp.packets import DEPACKETISERS, EncodedFrame, FrameTooLargeError
from drivers.links.rtsp.sdp import CLOCK_HZ, NoVideoError, VideoTrack
from drivers.links.settings import LinkRights, Settings, network_rights
from drivers.links.tcp import connect_failure, open_socket
from drivers.links.tls import device_context, to_link_error
from drivers.links.video.frame_integrity import FfmpegLog, FrameIntegrity, capture_ffmpeg_log
from drivers.links.video.latest import FrameThread

PORTS = {"rtsp": 554, "rtsps": 322}
UNBUFFERED_WAIT_NS = 5_000_000
"""A frame that was waited for so long was not buffered."""
WINDOW_NS = 30 * 10**9
"""Window of the fastest frame, the reference of others: two clocks drift by a millisecond in that time."""
REORDER_LIMIT = 32
"""Upper bound on frames that a decoder holds for reordering (H.264 allows 16)."""
JUMP_NS = 2 * 10**9
"""A jump of the stream's clock by so much is a restart of the stream."""


class RtspSettings(Settings):
    """Address and credentials of a stream."""

    url: str = Field(
        description="Address of the stream.", examples=["rtsp://192.0.2.21/Streaming/Channels/101"]
    )
    username: str | None = Field(default=None, description="User name.", examples=["gateway"])
    password: SecretStr | None = Field(default=None, description="Password.", examples=["${CAMERA_PASSWORD}"])
    ca_file: Path | None = Field(
        default=None,
        description="rtsps: authorities that may sign the camera's certificate, else the system's.",
        examples=["/etc/borderpost/camera-ca.pem"],
    )
    allow_cleartext: bool = Field(
        default=False,
        description="Permit rtsp to another machine: only where no other machine can reach that network.",
        examples=[False],
    )
    allow_cleartext_password: bool = Field(
        default=False,
        description="Permit Basic over rtsp: the password can be read on that network.",
        examples=[False],
    )
    open_timeout_s: float = Field(
        default=8.0,
        gt=0,
        le=14,
        description="Time limit for the start of the stream, in seconds.",
        examples=[8.0],
    )
    no_frame_timeout_s: float = Field(
        default=2.5,
        gt=0,
        le=60,
        description="Without a new frame for so long the stream has failed, in seconds.",
        examples=[2.5],
    )

    def link_rights(self) -> LinkRights:
        """Return the rights to the port of the stream."""
        url = urlsplit(self.url)
        return super().link_rights() | network_rights(url.hostname or "", url.port or PORTS[url.scheme])

    @property
    def exclusive_key(self) -> str:
        """Key that only one device may have: a stream has one reader."""
        return self.url

    @field_validator("url")
    @classmethod
    def _check_address(cls, text: str) -> str:
        try:
            url = urlsplit(text)
            _ = url.port
        except ValueError:
            raise ValueError("is not an address; write it as rtsp://host/path") from None
        if url.scheme not in PORTS or not url.hostname:
            raise ValueError("begins with neither rtsp:// nor rtsps:// and a host")
        if url.username is not None:
            raise ValueError("contains a password; write it as `username` and `password`")
        return text

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        url = urlsplit(self.url)
        if (self.username is None) is not (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if url.scheme == "rtsp" and self.ca_file is not None:
            raise ValueError("`ca_file` is only for rtsps")
        if url.scheme == "rtsp" and not self.allow_cleartext and not is_loopback(url.hostname or ""):
            raise ValueError(
                "would receive frames unencrypted over a network; write rtsps://, or add "
                "`allow_cleartext = true` only where no other machine can reach that network"
            )
        return self

    @property
    def display_url(self) -> str:
        """Address for sentences, without its query, which may hold a password."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A decoded frame."""

    picture: av.VideoFrame
    received_ns: int
    """Arrival of its last byte, by CLOCK_BOOTTIME."""
    made_ns: int
    """Arrival if it had been as fast as the fastest frame; by the stream's own clock."""


class LatencyEstimator:
    """Delay of a frame, relative to the fastest of its time."""

    def __init__(self) -> None:
        self._lags: deque[tuple[int, int]] = deque()
        """Times and lags, beginning with the smallest lag, each smaller than all later ones."""

    def update(self, came_ns: int, stream_ns: int) -> int:
        """Return the delay in nanoseconds of a frame with this arrival and time of the stream's own clock."""
        lag = came_ns - stream_ns
        if self._lags and abs(lag - self._lags[-1][1]) > JUMP_NS:
            self._lags.clear()
        while self._lags and self._lags[0][0] < came_ns - WINDOW_NS:
            self._lags.popleft()
        while self._lags and self._lags[-1][1] >= lag:
            self._lags.pop()
        self._lags.append((came_ns, lag))
        return lag - self._lags[0][1]


class RtspLink(FrameThread[DecodedFrame]):
    """A stream that is being read: an async context manager."""

    def __init__(self, settings: RtspSettings) -> None:
        silence_s = settings.no_frame_timeout_s
        super().__init__("rtsp", settings.open_timeout_s + silence_s, silence_s)
        self._settings = settings
        url = urlsplit(settings.url)
        self._host, self._port = url.hostname or "", url.port or PORTS[url.scheme]
        self._tls = device_context(settings.ca_file) if url.scheme == "rtsps" else None
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> Self:
        """Connect, start the thread, and wait for the first frame; raises LinkError."""
        try:
            async with asyncio.timeout(self._settings.open_timeout_s):
                self._socket = await open_socket(self._host, self._port)
        except TimeoutError:
            raise self._no_service_error("no answer") from None
        except OSError as error:
            raise self._no_service_error(connect_failure(error)) from error
        return await super().__aenter__()

    def _interrupt_read(self) -> None:
        if self._socket is not None:
            # The reading only: the thread still sends the end of the session. And not by SSLSocket, whose
            # shutdown ends the encryption under the thread.
            with contextlib.suppress(OSError):  # ended already
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    # In the thread.

    def _read(self) -> None:
        assert self._socket is not None
        try:
            with self._socket:
                self._socket.settimeout(self._settings.open_timeout_s)
                if self._tls is None:
                    self._read_stream(self._socket)
                else:
                    with self._tls.wrap_socket(self._socket, server_hostname=self._host) as encrypted:
                        self._socket = encrypted
                        self._read_stream(encrypted)
        except (OSError, *_FAILURES) as error:
            raise self._to_link_error(error) from None

    def _read_stream(self, connection: socket.socket) -> None:
        settings = self._settings
        authenticator = None
        if settings.username is not None and settings.password is not None:
            secret = settings.password.get_secret_value()
            allows_basic = self._tls is not None or settings.allow_cleartext_password
            authenticator = Authenticator(settings.username, secret, allows_basic=allows_basic)
        client = RtspClient(connection, settings.url, authenticator, lambda: self._latest.is_stopped)
        try:
            track = client.open(settings.open_timeout_s)
            self.is_simulated = "simulated" in track.session_name.casefold()
            with capture_ffmpeg_log() as ffmpeg_log:
                self._decode(track, _frames(client, track, settings.no_frame_timeout_s), ffmpeg_log)
        finally:
            if self._latest.is_stopped:  # else the camera has failed, and does not respond anyway
                with contextlib.suppress(OSError):
                    client.tear_down()

    def _decode(self, track: VideoTrack, frames: Iterator[EncodedFrame], ffmpeg_log: FfmpegLog) -> None:
        codec = av.CodecContext.create(track.codec, "r")
        assert isinstance(codec, VideoCodecContext)
        codec.extradata = track.parameter_sets or None
        # One thread: frame threads delay each frame by as many, and with slice threads FFmpeg detects no
        # losses (measured: of 30 frames of four slices that lacked one packet, 24 passed as whole).
        codec.thread_type, codec.thread_count = "NONE", 1
        # Without it, losses are concealed without an error.
        codec.options = {"err_detect": "explode"}
        integrity = FrameIntegrity(codec, ffmpeg_log)
        latency = LatencyEstimator()
        buffered = True
        came: dict[int, int] = {}
        """Arrival of whole frames, by the stream's time."""
        asked_ns = boot_ns()
        for frame in frames:
            # Some cameras begin with the frames that they have kept.
            buffered = buffered and boot_ns() - asked_ns < UNBUFFERED_WAIT_NS
            integrity.feed_frame(frame)
            if not integrity.is_damaged:
                came[frame.time] = frame.received_ns
            try:
                pictures = codec.decode(_packet(frame))
                integrity.on_decoded(whole=not any(picture.is_corrupt for picture in pictures))
            except av.error.InvalidDataError:
                integrity.on_decoded(whole=False)
                pictures = []
            if integrity.is_damaged:
                came.pop(frame.time, None)
            for picture in pictures:
                # A frame of unknown time is never used.
                came_ns = came.pop(picture.pts, None) if picture.pts is not None else None
                if came_ns is not None and not picture.is_corrupt:
                    late_ns = latency.update(came_ns, round(picture.time * 1e9))
                    if not buffered:
                        self._latest.put(DecodedFrame(picture, came_ns, came_ns - late_ns))
            while len(came) > REORDER_LIMIT:
                del came[next(iter(came))]
            if self._latest.is_stopped:
                return
            asked_ns = boot_ns()

    async def _wait_until_restarted(self) -> None:
        await wait_until_restarted(self._host, self._port)

    # Errors. Their sentences contain the configured address, and nothing that the camera sent.

    def _ended_error(self) -> LinkError:
        return LinkError(
            Cause.LINK_FAILED,
            f"{self._settings.display_url} ended its stream.",
            Action.RESTART,
            "Restart the camera if it does not come back by itself.",
        )

    def _no_frame_error(self) -> LinkError:
        return LinkError(
            Cause.NO_RESPONSE,
            f"{self._settings.display_url} has sent no frame for "
            f"{self._settings.no_frame_timeout_s:g} seconds.",
            Action.RESTART,
            "Restart the camera; check its cable and the load of its network.",
        )

    def _no_service_error(self, why: str) -> LinkError:
        return LinkError(
            Cause.NO_RESPONSE,
            f"No service responds at {self._settings.display_url} ({why}).",
            Action.RESTART,
            "Start the camera; check the address and the network.",
        )

    def _to_link_error(self, error: Exception) -> LinkError:
        url = self._settings.display_url
        match error:
            case StatusError(status=401 | 403):
                return credentials_error(url, self._settings.username, ".", self._wait_until_restarted)
            case StatusError(status=status) if 400 <= status < 500:
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} has no such stream (status {status}).",
                    Action.CONFIGURE,
                    "Correct the path in `url`; see the streams in the camera's manual or on its web page.",
                )
            case StatusError(status=status):
                return LinkError(
                    Cause.NO_RESPONSE,
                    f"{url} cannot start its stream (status {status}).",
                    Action.RESTART,
                    "Restart the camera; check that it has no more viewers than it permits.",
                )
            case RedirectError():
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} redirects to another address, which is not followed.",
                    Action.CONFIGURE,
                    "Write the final address as `url`.",
                )
            case AuthenticationError():
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} {error}.",
                    Action.CONFIGURE,
                    "Set the camera's RTSP authentication to digest, or write an rtsps:// address. Only "
                    "where it has Basic alone and no other machine can reach that network: "
                    "`allow_cleartext_password = true`.",
                )
            case RtspSyntaxError():
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} does not speak RTSP: it sent {error}.",
                    Action.CONFIGURE,
                    "Check that `url` is an RTSP stream.",
                )
            case NoVideoError() | FrameTooLargeError() | av.error.FFmpegError():
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} sends no video that can be decoded.",
                    Action.CONFIGURE,
                    "Set the camera's stream to H.264 or H.265.",
                )
            case ssl.SSLCertVerificationError() | ssl.SSLError(reason=str()) if self._latest.is_empty:
                return to_link_error(error, url, "rtsp")
            case TimeoutError():
                return self._no_frame_error()
            case _:
                return LinkError(
                    Cause.LINK_FAILED,
                    f"{url} broke off ({type(error).__name__}).",
                    Action.RESTART,
                    "Restart the camera if it does not come back by itself.",
                )


_FAILURES = (
    StatusError,
    RedirectError,
    ConnectionEndedError,
    AuthenticationError,
    RtspSyntaxError,
    NoVideoError,
    FrameTooLargeError,
    av.error.FFmpegError,
)
"""Errors of a stream, beside those of the operating system."""


def _frames(client: RtspClient, track: VideoTrack, silence_s: float) -> Iterator[EncodedFrame]:
    """Yield the frames of a track, complete or not; raises as `RtspClient.packets`."""
    depacketiser = DEPACKETISERS[track.codec](track.payload_type)
    for packet in client.packets(silence_s):
        yield from depacketiser.feed(packet, boot_ns())


def _packet(frame: EncodedFrame) -> "av.Packet[av.VideoStream]":
    packet = cast("av.Packet[av.VideoStream]", av.Packet(frame.content))
    packet.pts = frame.time
    packet.time_base = Fraction(1, CLOCK_HZ)
    return packet
