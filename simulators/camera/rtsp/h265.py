"""H.265 in RTP (RFC 7798): single units and fragments."""

import base64
from collections.abc import Iterator

from simulators.camera.rtsp.encoder import CLOCK_HZ, PAYLOAD_SIZE, PAYLOAD_TYPE, Encoder

VPS, SPS, PPS, FRAGMENT = 32, 33, 34, 49


class H265(Encoder):
    """Encoder of H.265."""

    LIBRARY = "libx265"
    PARAMETERS = (VPS, SPS, PPS)

    def options(self, _slices: int) -> dict[str, str]:
        """See `Encoder.options`; each key picture repeats the parameter sets."""
        alone = "log-level=none:pools=none:frame-threads=1:wpp=0"
        return {"x265-params": f"{alone}:scenecut=0:open-gop=0:repeat-headers=1:info=0"}

    def kind(self, unit: bytes) -> int:
        """See `Encoder.kind`."""
        return unit[0] >> 1 & 0x3F

    @property
    def description(self) -> str:
        """The media section of the session's description (RFC 8866)."""
        named = zip(("vps", "sps", "pps"), self.parameters, strict=True)
        fmtp = ";".join(f"sprop-{name}={base64.b64encode(unit).decode()}" for name, unit in named)
        return (
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H265/{CLOCK_HZ}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} {fmtp}\r\n"
        )

    def payloads(self, unit: bytes) -> Iterator[bytes]:
        """See `Encoder.payloads`."""
        if len(unit) <= PAYLOAD_SIZE:
            yield unit
        else:
            header = bytes([unit[0] & 0x81 | FRAGMENT << 1, unit[1]])
            yield from self._fragments(header, self.kind(unit), unit[2:])
