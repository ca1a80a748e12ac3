"""H.264 in RTP (RFC 6184): single units and fragments."""

import base64
from collections.abc import Iterator

from simulators.camera.rtsp.encoder import CLOCK_HZ, PAYLOAD_SIZE, PAYLOAD_TYPE, Encoder

SPS, PPS, FRAGMENT = 7, 8, 28


class H264(Encoder):
    """Encoder of H.264."""

    LIBRARY = "libx264"
    PARAMETERS = (SPS, PPS)

    def options(self, slices: int) -> dict[str, str]:
        """See `Encoder.options`."""
        return {"sc_threshold": "0", "x264-params": f"sliced-threads=0:slices={slices}"}

    def kind(self, unit: bytes) -> int:
        """See `Encoder.kind`."""
        return unit[0] & 0x1F

    @property
    def description(self) -> str:
        """The media section of the session's description (RFC 8866)."""
        sets = ",".join(base64.b64encode(unit).decode() for unit in self.parameters)
        profile = self.parameters[0][1:4].hex().upper()
        fmtp = f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"
        return (
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} {fmtp}\r\n"
        )

    def payloads(self, unit: bytes) -> Iterator[bytes]:
        """See `Encoder.payloads`."""
        if len(unit) <= PAYLOAD_SIZE:
            yield unit
        else:
            yield from self._fragments(bytes([unit[0] & 0xE0 | FRAGMENT]), self.kind(unit), unit[1:])
