"""Media of a camera: profiles, video sources, and addresses of streams and pictures.

By the Media Service of ONVIF's profile S (trt), and by the Media2 Service of profile T (tr2).
"""

from collections.abc import Sequence

SOURCE = "VideoSource_1"


def token(number: int) -> str:
    """Return the token of a profile, counted from 1."""
    return f"Profile_{number}"


def profiles(names: Sequence[str], size: tuple[int, int], frames_per_s: float, key_every_s: float) -> str:
    """Return all profiles: the first has the full size, each later one half the size of the one before."""
    return "".join(
        _profile(number, name, size[0] >> number - 1, size[1] >> number - 1, frames_per_s, key_every_s)
        for number, name in enumerate(names, start=1)
    )


def _profile(number: int, name: str, width: int, height: int, frames_per_s: float, key_every_s: float) -> str:
    return (
        f'<trt:Profiles token="{token(number)}" fixed="true"><tt:Name>{name}</tt:Name>'
        f'<tt:VideoSourceConfiguration token="SourceConfig_1"><tt:Name>source</tt:Name>'
        f"<tt:UseCount>1</tt:UseCount><tt:SourceToken>{SOURCE}</tt:SourceToken>"
        f'<tt:Bounds x="0" y="0" width="{width}" height="{height}"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="EncoderConfig_{number}"><tt:Name>encoder</tt:Name>'
        "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
        f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
        f"<tt:Quality>5</tt:Quality><tt:RateControl><tt:FrameRateLimit>{round(frames_per_s)}"
        "</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096"
        f"</tt:BitrateLimit></tt:RateControl><tt:H264><tt:GovLength>{round(frames_per_s * key_every_s)}"
        "</tt:GovLength><tt:H264Profile>Baseline</tt:H264Profile></tt:H264><tt:Multicast><tt:Address><tt:Type>"
        "IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port>"
        "<tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S"
        "</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
    )


def video_sources(size: tuple[int, int], frames_per_s: float) -> str:
    """Return its one video source."""
    return (
        f'<trt:VideoSources token="{SOURCE}"><tt:Framerate>{frames_per_s}</tt:Framerate>'
        f"<tt:Resolution><tt:Width>{size[0]}</tt:Width><tt:Height>{size[1]}</tt:Height></tt:Resolution>"
        "</trt:VideoSources>"
    )


def media_uri(uri: str) -> str:
    """Return the address of a stream or a picture."""
    return (
        f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
    )


def profiles_of_media2(
    names: Sequence[str], size: tuple[int, int], frames_per_s: float, key_every_s: float, *, encoders: bool
) -> str:
    """Return all profiles for Media2, with their encoders if requested."""
    parts = ""
    for number, name in enumerate(names, start=1):
        width, height = size[0] >> number - 1, size[1] >> number - 1
        parts += f'<tr2:Profiles token="{token(number)}" fixed="true"><tr2:Name>{name}</tr2:Name>'
        if encoders:
            parts += (
                f'<tr2:Configurations><tr2:VideoEncoder token="EncoderConfig_{number}" Profile="Baseline" '
                f'GovLength="{round(frames_per_s * key_every_s)}"><tt:Name>encoder</tt:Name>'
                "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution>"
                f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
                f'<tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>{frames_per_s:g}'
                "</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:Quality>5"
                "</tt:Quality></tr2:VideoEncoder></tr2:Configurations>"
            )
        parts += "</tr2:Profiles>"
    return parts
