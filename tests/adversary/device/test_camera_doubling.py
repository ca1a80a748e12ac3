"""Parsers of RTSP and ONVIF: twice the bytes of a hostile camera cost at most 2.3 times the time."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import cast

import pytest
from adversary.device.doubling import check_doubling

from drivers.camera.onvif.clock import parse_timestamp
from drivers.camera.onvif.device import OnvifDevice
from drivers.camera.onvif.discovery import parse_probe_matches, reachable_address
from drivers.camera.onvif.media import Media
from drivers.camera.onvif.pull_points import _notice
from drivers.camera.onvif.soap import FaultError, NotSoapError, find_all, parse_response, serialise
from drivers.links.http.auth import parse_challenges
from drivers.links.rtsp.messages import RtspParser, RtspSyntaxError
from drivers.links.rtsp.packets import H264Depacketiser, H265Depacketiser
from drivers.links.rtsp.sdp import NoVideoError, parse_session

Parse = Callable[[bytes], None]


def messages(chunk_bytes: int) -> Parse:
    """Return a function that parses a connection in chunks."""

    def parse(stream: bytes) -> None:
        parser = RtspParser()
        for at in range(0, len(stream), chunk_bytes):
            try:
                for _ in parser.feed(stream[at : at + chunk_bytes]):
                    pass
            except RtspSyntaxError:
                return

    return parse


def session(stream: bytes) -> None:
    with suppress(NoVideoError):
        parse_session(stream)


def challenges(stream: bytes) -> None:
    parse_challenges([stream.decode("latin-1")])


def soap(stream: bytes) -> None:
    """Read a response of a camera in every way in which its driver does."""
    head = b'<s:Envelope xmlns:s="a" xmlns:w="b"><s:Body><PullMessagesResponse>'
    tail = b"</PullMessagesResponse></s:Body></s:Envelope>"
    with suppress(NotSoapError, FaultError):
        said = parse_response(head + stream + tail, "tev:PullMessages")
        for each in find_all(said, "NotificationMessage"):
            _notice(each)
        list(Media(cast("OnvifDevice", None))._told(said))
        serialise(said)


def fault(stream: bytes) -> None:
    head = b'<s:Envelope xmlns:s="a"><s:Body><s:Fault><s:Code>'
    with suppress(NotSoapError, FaultError):
        parse_response(head + stream + b"</s:Code></s:Fault></s:Body></s:Envelope>", "tev:PullMessages")


def times(stream: bytes) -> None:
    parse_timestamp(stream.decode("latin-1"))


def matches(stream: bytes) -> None:
    head = b"<Envelope><Header><RelatesTo>1</RelatesTo></Header><Body>"
    for match in parse_probe_matches(head + stream + b"</Body></Envelope>", ["1"]):
        reachable_address(match.addresses, "192.0.2.1")


def packets(kind: type[H264Depacketiser | H265Depacketiser], same_time: bool) -> Parse:
    """Return a function that assembles packets with payloads of 8 bytes."""

    def parse(stream: bytes) -> None:
        depacketiser = kind(96)
        for number, at in zip(count(), range(0, len(stream), 8), strict=False):
            stamp = 0 if same_time else number
            head = b"\x80\x60" + (number & 0xFFFF).to_bytes(2) + stamp.to_bytes(4) + bytes(4)
            for _ in depacketiser.feed(head + stream[at : at + 8], number):
                pass

    return parse


WAYS: dict[str, tuple[Parse, dict[str, bytes]]] = {
    **{
        f"messages_by_{size}": (
            messages(size),
            {
                "packets": b"$\0\0\0",
                "line_ends": b"\r\n",
                "packets_and_line_ends": b"$\0\0\0\r\n",
                "answers": b"RTSP/1.0 200 OK\r\n\r\n",
                "bodies": b"RTSP/1.0 200 OK\r\nContent-Length: 80\r\n\r\n" + bytes(80),
                "requests": b"A * RTSP/1.0\n\n",
                "headers": b"A:b\n",
            },
        )
        for size in (1, 4096, 1 << 30)
    },
    "session": (
        session,
        {"lines": b"a=b\n", "media": b"m=\n", "sets": b"sprop-sps=AAAA;", "text": b"a=fmtp:9 "},
    ),
    "challenges": (challenges, {"commas": b",", "quotes": b'a="\\"', "words": b"a ", "equals": b"a=b,"}),
    "soap": (
        soap,
        {
            "elements": b"<a/>",
            "events": b"<NotificationMessage><Topic>a:b/c</Topic><Message><Message><Data>"
            b'<SimpleItem Name="a" Value="b"/></Data></Message></Message></NotificationMessage>',
            "topic": b"a/",
            "profiles": b"<Profiles><VideoEncoderConfiguration><Resolution><Width>1</Width><Height>1</Height>"
            b"</Resolution></VideoEncoderConfiguration></Profiles>",
            "text": b"&lt;",
            "comments": b"<!---->",
        },
    ),
    "fault": (fault, {"values": b"<Value>a:b</Value>", "colons": b":"}),
    "times": (times, {"digits": b"1", "dates": b"2026-12-01T", "fractions": b"2026-12-01T00:00:00.0"}),
    "matches": (
        matches,
        {
            "matches": b"<ProbeMatch><XAddrs>http://a/b c:d</XAddrs></ProbeMatch>",
            "elements": b"<a/>",
        },
    ),
    **{
        f"packets_{kind.__name__}_{same_time}": (
            packets(kind, same_time),
            {"units": b"\x41bcdefgh", "fragments": b"\x7c\x05cdefgh", "aggregates": b"\x18\0\1A\0\1A\0"},
        )
        for kind in (H264Depacketiser, H265Depacketiser)
        for same_time in (True, False)
    },
}  # fmt: skip


LIMITS = {"challenges": 1 << 16}
"""Largest n, where no message is longer: the head of a response is 100 KiB at most (h11), of RTSP 16."""


def check_way(way: str, max_bytes: int) -> None:
    """Compare the times of n and 2n bytes of each hostile stream; n is at most `max_bytes`."""
    parse, units = WAYS[way]
    for unit in units.values():
        check_doubling(parse, lambda size, unit=unit: unit * (size // len(unit)), max_bytes)  # type: ignore[misc]


@pytest.mark.parametrize("way", WAYS)
def test_short_stream_costs_double(way: str) -> None:
    check_way(way, 1 << 13)


@pytest.mark.thorough
@pytest.mark.parametrize("way", WAYS)
def test_doubling_costs_double(way: str) -> None:
    check_way(way, LIMITS.get(way, 1 << 18))
