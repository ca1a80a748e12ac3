"""Description of a session (SDP, RFC 8866): its first video track that can be decoded."""

import base64
import binascii
import re
from dataclasses import dataclass

START_CODE = b"\0\0\0\1"
CODECS = {"H264": "h264", "H265": "hevc"}
"""Names of the decoders, by the name of the encoding (RFC 6184, RFC 7798)."""
CLOCK_HZ = 90_000
"""Rate of the time stamps of both."""
MAX_TRACKS = 32
"""Number of tracks that are looked at; cameras have up to four."""
_PARAMETER_SETS = {"sprop-vps": 0, "sprop-sps": 1, "sprop-pps": 2, "sprop-parameter-sets": 3}
"""Parameters with base64, in the order of their use."""
_RTPMAP = re.compile(r"(?P<type>\d{1,3})\s+(?P<name>[^/\s]+)/(?P<rate>\d{1,9})")


class NoVideoError(Exception):
    """The session has no video track of a known encoding."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A video track."""

    codec: str
    """Name of FFmpeg's decoder."""
    payload_type: int
    control: str
    """Address of the track as stated, relative or absolute; may be empty."""
    session_control: str
    """Address of the session as stated; may be empty."""
    parameter_sets: bytes
    """Parameter sets as a byte stream (annex B), or nothing."""
    session_name: str


def parse_session(description: bytes) -> VideoTrack:
    """Return the first video track that can be decoded; raises NoVideoError."""
    name = ""
    session: dict[str, str] = {}
    media: list[tuple[str, dict[str, str]]] = []
    for line in description.decode("utf-8", "replace").splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if len(media) == MAX_TRACKS:
                break
            media.append((value, {}))
        elif kind == "s":
            name = value
        elif kind == "a":
            key, _, content = value.partition(":")
            (media[-1][1] if media else session).setdefault(key, content)
    for line, attributes in media:
        found = _RTPMAP.match(attributes.get("rtpmap", ""))
        if not line.startswith("video ") or found is None:
            continue
        codec = CODECS.get(found["name"].upper())
        if codec is not None and int(found["rate"]) == CLOCK_HZ:
            return VideoTrack(
                codec,
                int(found["type"]),
                attributes.get("control", "").strip(),
                session.get("control", "").strip(),
                _parameter_sets(attributes.get("fmtp", "")),
                name,
            )
    raise NoVideoError


def _parameter_sets(format_parameters: str) -> bytes:
    found: list[tuple[int, bytes]] = []
    for parameter in format_parameters.partition(" ")[2].split(";"):
        name, _, value = parameter.strip().partition("=")
        order = _PARAMETER_SETS.get(name.lower())
        for one in value.split(",") if order is not None else ():
            try:
                unit = base64.b64decode(one, validate=True)
            except (binascii.Error, ValueError):
                continue
            if order is not None and unit:
                found.append((order, unit))
    return b"".join(START_CODE + unit for _, unit in sorted(found, key=lambda each: each[0]))
