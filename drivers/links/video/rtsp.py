"""RTSP streams of cameras: read and decoded by a thread, of which only the latest frame is kept.

PyAV, over TCP (RFC 2326, section 10.12): packets arrive late instead of being lost. FFmpeg reports only an
end of the stream when the server was killed, buffers frames while it analyses a new stream, and writes
addresses with their passwords into its errors. So an end counts as a loss, buffered frames are skipped, and
only the kind of an error leaves the thread.

Incomplete frames are skipped: see `frame_integrity.py`.
"""

import errno
import os
from collections import deque
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

import av
import av.error
from av.container import InputContainer
from pydantic import Field, SecretStr, field_validator, model_validator

from drivers.clock import boot_ns
from drivers.links.address import is_loopback
from drivers.links.http.reachability import wait_until_restarted
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import LinkRights, Settings, network_rights
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
    username: str | None = Field(None, description="User name.", examples=["gateway"])
    password: SecretStr | None = Field(None, description="Password.", examples=["${CAMERA_PASSWORD}"])
    allow_cleartext: bool = Field(
        False,
        description="Permit rtsp to another machine: only where no other machine can reach that network.",
        examples=[False],
    )
    open_timeout_s: float = Field(
        8.0, gt=0, le=14, description="Time limit for the start of the stream, in seconds.", examples=[8.0]
    )
    no_frame_timeout_s: float = Field(
        2.5,
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

    @property
    def url_with_password(self) -> str:
        """Address with the password, only for FFmpeg."""
        if self.username is None or self.password is None:
            return self.url
        url = urlsplit(self.url)
        user = f"{quote(self.username, safe='')}:{quote(self.password.get_secret_value(), safe='')}"
        return urlunsplit(url._replace(netloc=f"{user}@{url.netloc}"))


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

    # In the thread.

    def _read(self) -> None:
        failure = None
        try:
            self._read_stream()
        except av.error.FFmpegError as error:
            failure = self._to_link_error(error)
        if failure is not None:
            raise failure  # outside of `except`: FFmpeg's error may hold a password

    def _read_stream(self) -> None:
        options = {
            "rtsp_transport": "tcp",
            "timeout": str(round(self._settings.no_frame_timeout_s * 1e6)),
            "fflags": "nobuffer",
            "allowed_media_types": "video",
            # The session's description contains the format; an analysis of the frame rate would take longer
            # than all the rest (measured: 0.2 s to the first frame instead of 0.8 to 1.6).
            "probesize": "32",
            "fpsprobesize": "0",
            # Over TCP packets arrive in order, but FFmpeg detects gaps only with a reorder queue.
            "reorder_queue_size": "2",
        }
        limits = self._settings.open_timeout_s, self._settings.no_frame_timeout_s
        with (
            capture_ffmpeg_log() as ffmpeg_log,
            av.open(self._settings.url_with_password, options=options, timeout=limits) as container,
        ):
            self.is_simulated = "simulated" in container.metadata.get("title", "").casefold()
            if not container.streams.video:
                raise av.error.InvalidDataError(errno.EINVAL, "no video")
            self._decode(container, ffmpeg_log)

    def _decode(self, container: InputContainer, ffmpeg_log: FfmpegLog) -> None:
        stream = container.streams.video[0]
        # One thread: frame threads delay each frame by as many, and with slice threads FFmpeg detects no
        # losses (measured: of 30 frames of four slices that lacked one packet, 24 passed as whole).
        stream.thread_type, stream.thread_count = "NONE", 1
        # Without it, losses are concealed without an error.
        stream.codec_context.options = {"err_detect": "explode"}
        integrity = FrameIntegrity(stream.codec_context, ffmpeg_log)
        latency = LatencyEstimator()
        silence_ns = round(self._settings.no_frame_timeout_s * 1e9)
        buffered = True
        came: dict[int, int] = {}
        """Arrival of whole frames, by the stream's time."""
        before_ns = asked_ns = boot_ns()
        for packet in container.demux(stream):
            now_ns = boot_ns()
            if now_ns - asked_ns > silence_ns:
                # A failed read returns the content of the parser, and the next read would take as long again.
                raise av.error.TimeoutError(errno.ETIMEDOUT, "no packet")
            buffered = buffered and now_ns - asked_ns < UNBUFFERED_WAIT_NS
            integrity.feed_packet(packet)
            if packet.pts is not None and not integrity.is_damaged:
                # FFmpeg detects the end of a frame at the begin of the next (measured: one interval and 5 ms
                # from a simulated lens to here), so it arrived when the frame before it was returned.
                came[packet.pts] = before_ns
            before_ns = now_ns
            try:
                pictures = packet.decode()
                integrity.on_decoded(whole=not any(picture.is_corrupt for picture in pictures))
            except av.error.InvalidDataError:
                integrity.on_decoded(whole=False)
                pictures = []
            if integrity.is_damaged and packet.pts is not None:
                came.pop(packet.pts, None)
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
        url = urlsplit(self._settings.url)
        await wait_until_restarted(url.hostname or "", url.port or PORTS[url.scheme])

    # Errors. Their sentences contain the configured address, and nothing from FFmpeg.

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

    def _to_link_error(self, error: av.error.FFmpegError) -> LinkError:
        url = self._settings.display_url
        match error:
            case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
                given = "Correct" if self._settings.username else "Add"
                return LinkError(
                    Cause.NO_PERMISSION,
                    f"{url} refuses these credentials.",
                    Action.CONFIGURE,
                    f"{given} `username` and `password`.",
                    self._wait_until_restarted,
                )
            case (
                av.error.HTTPNotFoundError()
                | av.error.HTTPBadRequestError()
                | av.error.HTTPOtherClientError()
            ):
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} has no such stream.",
                    Action.CONFIGURE,
                    "Correct the path in `url`; see the streams in the camera's manual or on its web page.",
                )
            case av.error.ExitError() | av.error.TimeoutError():
                return self._no_frame_error()
            case av.error.InvalidDataError() | av.error.ProtocolNotFoundError() | av.error.UndefinedError():
                return LinkError(
                    Cause.WRONG_DEVICE,
                    f"{url} sends no video that can be decoded.",
                    Action.CONFIGURE,
                    "Set the camera's stream to H.264 or H.265; check that `url` is an RTSP stream.",
                )
            case av.error.ConnectionRefusedError() | av.error.OSError() if self._latest.is_empty:
                why = os.strerror(error.errno) if error.errno and error.errno > 0 else "no answer"
                return LinkError(
                    Cause.NO_RESPONSE,
                    f"No service responds at {url} ({why}).",
                    Action.RESTART,
                    "Start the camera; check the address and the network.",
                )
            case _:
                return LinkError(
                    Cause.LINK_FAILED,
                    f"{url} broke off ({type(error).__name__}).",
                    Action.RESTART,
                    "Restart the camera if it does not come back by itself.",
                )
