"""Parts of the RTSP client: credentials, messages, descriptions and packets, without a connection."""

import random

import pytest

from drivers.links.http.auth import AuthenticationError, Authenticator, parse_challenges
from drivers.links.rtsp.client import _granted_channel, _resolve, _session
from drivers.links.rtsp.messages import (
    InterleavedPacket,
    Response,
    RtspParser,
    RtspSyntaxError,
    ServerRequest,
)
from drivers.links.rtsp.packets import (
    Depacketiser,
    EncodedFrame,
    FrameTooLargeError,
    H264Depacketiser,
    H265Depacketiser,
)
from drivers.links.rtsp.sdp import NoVideoError, parse_session

# RFC 7616, section 3.9.1.
REALM, URI, CNONCE = (
    "http-auth@example.org",
    "/dir/index.html",
    "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
)
REST = (
    f'realm="{REALM}", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
MUFASA = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


def mufasa(*challenges: str) -> str:
    """Return the answer of the RFC's user."""
    user = Authenticator("Mufasa", "Circle of Life", allows_basic=False)
    user.take(parse_challenges(challenges))
    return user.header("GET", URI, CNONCE) or ""


@pytest.mark.parametrize("algorithm", MUFASA)
def test_digest_equals_rfc_7616(algorithm: str) -> None:
    answer = mufasa(f"Digest {REST}, algorithm={algorithm}")
    assert f'response="{MUFASA[algorithm]}"' in answer
    assert f"algorithm={algorithm}" in answer
    assert "nc=00000001" in answer


def test_digest_equals_rfc_2617() -> None:
    user = Authenticator("Mufasa", "Circle Of Life", allows_basic=False)
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    user.take(parse_challenges([f'Digest realm="testrealm@host.com", qop="auth", nonce="{nonce}"']))
    assert 'response="6629fae49393a05397450978507c4ef1"' in (user.header("GET", URI, "0a4f113b") or "")


def test_stronger_digest_is_preferred() -> None:
    weak, strong = (f"Digest {REST}, algorithm={name}" for name in MUFASA)
    assert MUFASA["SHA-256"] in mufasa(weak, strong)
    assert MUFASA["SHA-256"] in mufasa(f"{weak}, {strong}, Basic realm=x"), "in one header"


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Negotiate",
        'Basic realm="x"',
        "Digest",
        'Digest realm="x"',
        'Digest nonce="x", algorithm=SHA-999',
        'Digest nonce="x", qop="other"',
        '"',
        "=,=,=",
    ],
)
def test_unusable_challenge_is_refused(challenge: str) -> None:
    with pytest.raises(AuthenticationError):
        mufasa(challenge)


def test_names_with_quotes_are_escaped() -> None:
    user = Authenticator('a"b\\', "p", allows_basic=False)
    user.take(parse_challenges([r'Digest realm="say \"x\"", nonce="n"']))
    assert r'username="a\"b\\", realm="say \"x\"", nonce="n"' in (user.header("PLAY", "u") or "")


def test_endless_header_makes_few_challenges() -> None:
    assert len(parse_challenges(["," * 10_000 + f"Digest {REST}"])) == 100


STREAM = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS\r\n\r\n"
    b"$\0\0\5hello"
    b"RTSP/1.0 401 Unauthorized\nCSeq:2\nWWW-Authenticate: a\nWWW-Authenticate: b\n\n"
    b"RTSP/1.0 200 OK\r\ncseq: 3\r\nContent-Length: 4\r\n\r\nv=0\n\r\n"
    b"$\1\0\0"
    b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_cuts_do_not_matter(size: int) -> None:
    parser = RtspParser()
    found = [item for at in range(0, len(STREAM), size) for item in parser.feed(STREAM[at : at + size])]
    kinds = [type(item) for item in found]
    assert kinds == [Response, InterleavedPacket, Response, Response, InterleavedPacket, ServerRequest]
    first, packet, refused, described, _, asked = found
    assert isinstance(first, Response)
    assert first.header("public") == "OPTIONS"
    assert packet == InterleavedPacket(0, b"hello")
    assert isinstance(refused, Response)
    assert (refused.status, refused.header_values("www-authenticate")) == (401, ["a", "b"])
    assert isinstance(described, Response)
    assert described.body == b"v=0\n"
    assert isinstance(asked, ServerRequest)
    assert asked.method == "OPTIONS"


@pytest.mark.parametrize(
    "stream",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 20x OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 3000,
    ],
)
def test_other_bytes_are_refused(stream: bytes) -> None:
    with pytest.raises(RtspSyntaxError):
        list(RtspParser().feed(stream))


def test_track_of_a_real_camera() -> None:
    """The description has the form of Hikvision's: audio, an absolute control, sets in the parameters."""
    track = parse_session(
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.21\r\ns=Media Presentation\r\nt=0 0\r\n"
        b"a=control:rtsp://192.0.2.21:554/Streaming/Channels/101/\r\n"
        b"m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:trackID=2\r\n"
        b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        b"a=control:rtsp://192.0.2.21:554/Streaming/Channels/101/trackID=1\r\n"
        b"a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00=,aO4=\r\n"
    )
    assert (track.codec, track.payload_type) == ("h264", 96)
    assert track.control.endswith("trackID=1")
    assert track.parameter_sets == b"\0\0\0\1gM\0\0\0\1h\xee"


@pytest.mark.parametrize(
    "description",
    [
        b"",
        b"m=audio 0 RTP/AVP 8\r\na=rtpmap:8 H264/90000",
        b"m=video 0 RTP/AVP 26",
        b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000",
        b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/8000",
        b"\xff\xfe\0",
    ],
)
def test_session_without_video_is_refused(description: bytes) -> None:
    with pytest.raises(NoVideoError):
        parse_session(description)


def test_addresses_are_resolved() -> None:
    assert _resolve("rtsp://h/a?b=1/", "trackID=0") == "rtsp://h/a?b=1/trackID=0"
    assert _resolve("rtsp://h/a", "rtsp://other/b") == "rtsp://other/b", "a name only: it is not connected"
    assert _resolve("rtsp://h/a", "*") == _resolve("rtsp://h/a", "") == "rtsp://h/a"
    for hostile in ("a\r\nX: y", "a b", "\N{SNOWMAN}"):
        with pytest.raises(RtspSyntaxError):
            _resolve("rtsp://h/a", hostile)


def test_transport_and_session_are_read() -> None:
    assert _granted_channel("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=1") == 4
    assert _granted_channel("RTP/AVP/TCP;unicast") == 0
    for other in ("RTP/AVP;unicast;client_port=5-6", "RTP/AVP/UDP", ""):
        with pytest.raises(RtspSyntaxError):
            _granted_channel(other)
    assert _session("12;timeout=30") == ("12", 30)
    assert _session("12") == ("12", 60)
    with pytest.raises(RtspSyntaxError):
        _session("")


# Packets

PICTURE, SETS = b"\x65" + bytes(range(1, 40)), b"\x67ab"


def rtp(sequence: int, time: int, payload: bytes, *, marker: bool = False, source: int = 1) -> bytes:
    head = bytes([0x80, marker << 7 | 96]) + (sequence & 0xFFFF).to_bytes(2) + (time & 0xFFFFFFFF).to_bytes(4)
    return head + source.to_bytes(4) + payload


def fragments(unit: bytes, size: int = 8) -> list[bytes]:
    """Return the FU-A payloads of a unit of H.264."""
    pieces = [unit[at : at + size] for at in range(1, len(unit), size)]
    last = len(pieces) - 1
    flags = [(number == 0) << 7 | (number == last) << 6 | unit[0] & 0x1F for number in range(len(pieces))]
    return [bytes([unit[0] & 0xE0 | 28, flag]) + piece for flag, piece in zip(flags, pieces, strict=True)]


def fed(depacketiser: Depacketiser, *packets: bytes) -> list[EncodedFrame]:
    return [frame for number, packet in enumerate(packets) for frame in depacketiser.feed(packet, number)]


def stream(*payloads: bytes, time: int = 3000, first: int = 65530) -> list[bytes]:
    """Return the packets of one frame."""
    last = len(payloads) - 1
    return [
        rtp(first + number, time, payload, marker=number == last) for number, payload in enumerate(payloads)
    ]


def test_fragments_make_one_frame() -> None:
    frames = fed(H264Depacketiser(96), *stream(SETS, *fragments(PICTURE)))
    assert [(frame.content, frame.time, frame.received_ns, frame.is_damaged) for frame in frames] == [
        (b"\0\0\0\1" + SETS + b"\0\0\0\1" + PICTURE, 3000, 5, False)
    ]


def test_aggregation_makes_units() -> None:
    packed = b"\x18" + b"".join(len(unit).to_bytes(2) + unit for unit in (SETS, b"\x68", PICTURE))
    (frame,) = fed(H264Depacketiser(96), *stream(packed))
    assert frame.content == b"".join(b"\0\0\0\1" + unit for unit in (SETS, b"\x68", PICTURE))
    assert not frame.is_damaged
    (cut,) = fed(H264Depacketiser(96), *stream(packed[:-1]))
    assert cut.is_damaged


def test_h265_units_and_fragments() -> None:
    sets, picture = b"\x40\x01abc", b"\x26\x01" + bytes(range(1, 30))
    packed = b"\x60\x01" + len(sets).to_bytes(2) + sets
    parts = [
        bytes([0x26 & 0x81 | 49 << 1, 1, flag | 0x26 >> 1]) + picture[at : at + 10]
        for flag, at in ((0x80, 2), (0, 12), (0x40, 22))
    ]
    (frame,) = fed(H265Depacketiser(96), *stream(packed, *parts))
    assert frame.content == b"\0\0\0\1" + sets + b"\0\0\0\1" + picture
    assert not frame.is_damaged


@pytest.mark.parametrize("lost", range(7))
def test_lost_packet_damages_frames(lost: int) -> None:
    """Any packet that is missing damages the frame that lacks it; the frame before it stays whole."""
    packets = stream(SETS, *fragments(PICTURE))
    packets += stream(b"\x41first", b"\x41second", time=6000, first=65530 + len(packets))
    packets += stream(b"\x41third", time=9000, first=65530 + len(packets))
    size = len(packets)
    frames = fed(H264Depacketiser(96), *packets[:lost], *packets[lost + 1 :], rtp(65530 + size, 12000, b"A"))
    whole = [frame.time for frame in frames if not frame.is_damaged]
    affected = 3000 if lost < 6 else 6000
    if lost:  # nothing shows that there was one before the first
        assert affected not in whole
    assert 9000 in whole


def test_marker_within_frame_is_ignored() -> None:
    """Some cameras mark every packet: from the second on, the time stamp ends a frame."""
    packets = [
        rtp(number, 3000 * (number // 2), bytes([0x41, number]), marker=True) for number in range(2, 12)
    ]
    frames = fed(H264Depacketiser(96), *packets)
    assert [frame.content.count(b"\0\0\0\1") for frame in frames[2:]] == [2, 2, 2]
    assert [frame.is_damaged for frame in frames] == [False, True, False, False, False]


def test_marked_parameter_sets_stay_with_picture() -> None:
    (frame,) = fed(H264Depacketiser(96), rtp(1, 5, SETS, marker=True), rtp(2, 5, PICTURE, marker=True))
    assert frame.content.count(b"\0\0\0\1") == 2


def test_time_stamps_are_extended() -> None:
    depacketiser = H264Depacketiser(96)
    times = [0xFFFFFFF0, 0x100000010, 0x0FFFFFFFF, 0x100000020]
    packets = [rtp(number, time, PICTURE, marker=True) for number, time in enumerate(times)]
    assert [frame.time for frame in fed(depacketiser, *packets)] == times


def test_other_packets_are_skipped() -> None:
    packet = rtp(1, 5, PICTURE, marker=True)
    others = [b"", packet[:11], b"\x40" + packet[1:], bytes([0x80, 97]) + packet[2:], packet[:12]]
    assert fed(H264Depacketiser(96), *others) == []
    padded = bytes([packet[0] | 0x30]) + packet[1:12] + b"\xbe\xde\0\1abcd" + PICTURE + b"\0\0\3"
    (frame,) = fed(H264Depacketiser(96), padded)
    assert frame.content == b"\0\0\0\1" + PICTURE


def test_endless_frame_is_refused() -> None:
    packets = (rtp(number, 5, b"\x41" + bytes(65000)) for number in range(300))
    with pytest.raises(FrameTooLargeError):
        fed(H264Depacketiser(96), *packets)


@pytest.mark.parametrize("kind", [H264Depacketiser, H265Depacketiser])
def test_random_packets_raise_nothing(kind: type[Depacketiser]) -> None:
    dice = random.Random(7)
    depacketiser = kind(96)
    for number in range(3000):
        fed(depacketiser, rtp(number, dice.randrange(4), dice.randbytes(dice.randrange(9))))
        fed(depacketiser, bytes([0x80 | dice.randrange(64), 96]) + dice.randbytes(dice.randrange(40)))
