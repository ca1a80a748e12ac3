"""Cameras: multipart streams, plate messages of each maker, ONVIF's XML, pictures."""

import contextlib
import io
import json
from datetime import datetime
from typing import Any

from PIL import Image

from drivers.camera.anpr.axis import AxisPlateCamera, AxisSettings
from drivers.camera.anpr.dahua import DahuaPlateCamera
from drivers.camera.anpr.hikvision import HikvisionPlateCamera
from drivers.camera.anpr.plate_dedup import normalise_plate, to_fraction
from drivers.camera.anpr.timestamps import to_iso, to_local_time
from drivers.camera.commands import Subject
from drivers.camera.imaging.image_quality import UndecodableImageError, measure_jpeg
from drivers.camera.imaging.jpeg import JpegInfo, parse_jpeg
from drivers.camera.multipart import MultipartReader, parse_boundary
from drivers.camera.onvif import discovery, soap
from drivers.camera.onvif.addresses import AddressTranslator
from drivers.camera.onvif.clock import parse_device_time, parse_timestamp
from drivers.camera.onvif.driver import OnvifCamera
from drivers.camera.preview import downscale_jpeg
from drivers.camera.snapshot import HttpSnapshotCamera
from drivers.links.factory import LinkFactory
from drivers.links.http.auth import AuthenticationError, Authenticator, parse_challenges
from drivers.links.http.listener import PushedRequest
from drivers.links.link import LinkError
from drivers.links.rtsp.messages import InterleavedPacket, Response, RtspItem, RtspParser, RtspSyntaxError
from drivers.links.rtsp.packets import H264Depacketiser, H265Depacketiser
from drivers.links.rtsp.sdp import NoVideoError, parse_session
from drivers.links.video.h264 import FrameNumberTracker
from fuzz.scripted_links import CUT, SILENT, ScriptedLinkFactory, run_driver
from fuzz.target import target

URL = {"url": "http://localhost:1"}
JPEG = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x02\x11\xff\xd9"
SECOND = b"\r\n--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(JPEG), JPEG)
STREAM = SECOND + SECOND.replace(b"Content-Length", b"X") + b"--b--\r\n"
TYPE = b"\0multipart/mixed; boundary=b\n"


@target(
    seeds=(STREAM,),
    words=(b"\r\n--b\r\n", b"Content-Length: ", b"Content-Type: ", b"\r\n\r\n", JPEG, b"<a>", b"</a>"),
)
def multipart(data: bytes) -> None:
    """Parse the same parts from any pieces."""
    whole, pieces = MultipartReader("b", 2048), MultipartReader("b", 2048)
    once = [*whole.feed(data), *whole.finish()]
    size = 1 + len(data) % 37
    for start in range(0, len(data), size):
        pieces.feed(data[start : start + size])
    pieces.finish()
    for part in once:
        getattr(part, "media_type", None)
    parse_boundary(data[:200].decode("latin-1"))


RTSP = (
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
    b"RTSP/1.0 200 OK\r\nContent-Length: 72\r\n\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 sprop-sps=Z00=\r\n"
    b"$\0\0\x10\x80\xe0\0\1\0\0\0\1\0\0\0\1\x65abc$\0\0\x10\x80\xe0\0\3\0\0\0\2\0\0\0\1\x7c\x85bc"
)


@target(
    seeds=(RTSP,),
    words=(b"$\0\0\x10", b"RTSP/1.0 200 OK\r\n", b"Content-Length: ", b"sprop-pps=", b"\r\n\r\n"),
)
def rtsp(data: bytes) -> None:
    """Parse a connection whole and in pieces, with credentials, descriptions and packets of both codecs."""
    whole, pieces = _rtsp_items(data, len(data) or 1), _rtsp_items(data, 1 + len(data) % 37)
    assert whole == pieces
    depacketisers = H264Depacketiser(96), H265Depacketiser(96)
    for item in whole:
        match item:
            case Response():
                challenges = parse_challenges(item.header_values("www-authenticate"))
                with contextlib.suppress(AuthenticationError):
                    user = Authenticator("user", "password", allows_basic=False)
                    user.take(challenges)
                    user.header("PLAY", "rtsp://localhost/")
                with contextlib.suppress(NoVideoError):
                    parse_session(item.body)
            case InterleavedPacket():
                for depacketiser in depacketisers:
                    list(depacketiser.feed(item.content, 0))


def _rtsp_items(data: bytes, size: int) -> list[RtspItem]:
    parser, found = RtspParser(), list[RtspItem]()
    with contextlib.suppress(RtspSyntaxError):
        for start in range(0, len(data), size):
            found.extend(parser.feed(data[start : start + size]))
    return found


def _pictures() -> list[bytes]:
    made = []
    for size, mode, progressive in (((1, 1), "L", False), ((40, 24), "RGB", True), ((33, 17), "CMYK", False)):
        file = io.BytesIO()
        Image.new(mode, size, "gray" if mode != "CMYK" else (1, 2, 3, 4)).save(
            file, "JPEG", progressive=progressive
        )
        made.append(file.getvalue())
    return made


@target(
    UndecodableImageError,
    seeds=_pictures(),
    words=(b"\xff\xc0", b"\xff\xc2", b"\xff\xe1", b"Exif", b"Adobe", b"MPF"),
)
def pictures(data: bytes) -> None:
    """Measure a picture, and make a thumbnail of it."""
    if isinstance(parse_jpeg(data), JpegInfo):
        measure_jpeg(data, Subject.SCENE)
        downscale_jpeg(data, 64)


@target(seeds=(JPEG,), words=(b"\xff\xc0", b"\xff\xda", b"\xff\xd9", b"\xff\xd8"))
def jpeg(data: bytes) -> None:
    parse_jpeg(data)


@target(
    seeds=(TYPE + STREAM, b"\0image/jpeg\n" + JPEG + SILENT + b"\x08\n"),
    words=(SILENT, CUT, TYPE, SECOND, JPEG),
)
def snapshot(data: bytes) -> None:
    run_driver(HttpSnapshotCamera, {**URL, "path": "/picture", "poll_s": 1}, ScriptedLinkFactory(data))


INFO = b"\0application/xml\n<DeviceInfo><model>M</model><serialNumber>1</serialNumber></DeviceInfo>"
ALERT = (
    b"<EventNotificationAlert><dateTime>2026-06-01T12:00:00+03:00</dateTime><eventType>ANPR</eventType><ANPR>"
    b"<licensePlate>KAA001A</licensePlate><country>KE</country><confidenceLevel>97</confidenceLevel><direction>forward"
    b"</direction><line>1</line></ANPR><UUID>u1</UUID><picNum>1</picNum></EventNotificationAlert>"
)
ALERTS = TYPE + b"--b\r\nContent-Type: application/xml\r\n\r\n" + ALERT + SECOND
PLATES = (
    b"\0application/xml\n<Plates><Plate><captureTime>20260601T120001+0300</captureTime><plateNumber>KBB"
    b"</plateNumber><picName>p</picName></Plate></Plates>"
)
TAGS = tuple(
    f"<{name}>".encode()
    for name in ("licensePlate", "dateTime", "picNum", "UUID", "confidenceLevel", "eventState")
)
ENCODINGS = (b'<?xml version="1.0" encoding="', b"utf-16", b"x", b"&#", b"<![CDATA[", b"xmlns:a=")


@target(
    seeds=(SILENT.join((INFO, ALERTS, ALERTS, PLATES)), SILENT.join((b"\x08\n", ALERTS))),
    words=(SILENT, CUT, INFO, ALERTS, PLATES, ALERT, *TAGS, *ENCODINGS),
)
def hikvision(data: bytes) -> None:
    run_driver(HikvisionPlateCamera, URL, ScriptedLinkFactory(data))


PAIRS = (
    b"Events[0].TrafficCar.PlateNumber=KAA001A\r\nEvents[0].Object.Confidence=250\r\nEvents[0].UTC=1780000000\r\n"
    b"Events[0].UTCMS=7\r\nEvents[0].GroupID=4\r\nEvents[0].CountInGroup=1\r\nEvents[0].Lane=1\r\n"
)
SNAPS = TYPE + b"--b\r\nContent-Type: text/plain\r\n\r\n" + PAIRS + SECOND
SYSTEM = b"\0text/plain\nserialNumber=1\r\ndeviceType=D\r\n"


@target(
    seeds=(SILENT.join((SYSTEM, SNAPS, SNAPS)),),
    words=(
        SILENT,
        CUT,
        SYSTEM,
        SNAPS,
        b"Events[0].",
        b"RealUTC=",
        b"GroupID=",
        b"CountInGroup=",
        b"Heartbeat",
    ),
)
def dahua(data: bytes) -> None:
    run_driver(DahuaPlateCamera, URL, ScriptedLinkFactory(data))


PUSHED = {
    "carState": "new", "carID": "7", "plateUTF8": "KAA001A", "plateCountry": "KE", "plateConfidence": "0.9",
    "capture_timestamp": "1780000000123", "datetime": "20231211 142705507", "carMoveDirection": "in",
    "roiID": 1, "ImageArray": [{"ImageType": "plate", "BinaryImage": "/9j/2Q=="}],
}  # fmt: skip


@target(
    seeds=(json.dumps(PUSHED).encode(), json.dumps([PUSHED]).encode()),
    words=[
        f'"{key}"'.encode()
        for key in (*PUSHED, "ImageType", "BinaryImage", "plateText", "plateUnicode", "lost")
    ],
)
def axis(data: bytes) -> None:
    driver = AxisPlateCamera(
        AxisSettings(listen="127.0.0.1:1", allowed_sources=("127.0.0.1",)), LinkFactory()
    )
    driver._cars = {}
    for item in driver._take(PushedRequest("/", "application/json", data)):
        getattr(item, "model_dump_json", str)()


def enveloped(body: str, header: str = "") -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:t="http://t"><s:Header>'
        f"{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _children(**named: Any) -> str:
    return "".join(f"<t:{name}>{text}</t:{name}>" for name, text in named.items())


CLOCK = enveloped(
    "<t:GetSystemDateAndTimeResponse><t:SystemDateAndTime><t:UTCDateTime><t:Time>"
    + _children(Hour=12, Minute=0, Second=0) + "</t:Time><t:Date>" + _children(Year=2026, Month=6, Day=1)
    + "</t:Date></t:UTCDateTime></t:SystemDateAndTime></t:GetSystemDateAndTimeResponse>"
)  # fmt: skip
SERVICES = enveloped(
    "<t:GetServicesResponse>"
    + "".join(
        f"<t:Service><t:Namespace>http://www.onvif.org/{space}/wsdl</t:Namespace><t:XAddr>http://localhost:1/{at}</t:XAddr></t:Service>"
        for space, at in (("ver10/device", "d"), ("ver10/media", "m"), ("ver10/events", "e"))
    )
    + "</t:GetServicesResponse>"
)
INFORMATION = enveloped(
    "<t:GetDeviceInformationResponse>"
    + _children(Manufacturer="M", Model="N", FirmwareVersion="1", SerialNumber="2")
    + "</t:GetDeviceInformationResponse>"
)
PROFILES = enveloped(
    '<t:GetProfilesResponse><t:Profiles token="p"><t:Name>n</t:Name><t:VideoEncoderConfiguration>'
    f"<t:Encoding>JPEG</t:Encoding><t:Resolution>{_children(Width=640, Height=480)}</t:Resolution>"
    "</t:VideoEncoderConfiguration></t:Profiles></t:GetProfilesResponse>"
)
SNAPSHOT = enveloped(
    "<t:GetSnapshotUriResponse><t:MediaUri><t:Uri>http://localhost:1/p</t:Uri></t:MediaUri></t:GetSnapshotUriResponse>"
)
SUBSCRIBED = enveloped(
    "<t:CreatePullPointSubscriptionResponse><t:SubscriptionReference><t:Address>http://localhost:1/s</t:Address>"
    "<t:ReferenceParameters><t:x>1</t:x></t:ReferenceParameters></t:SubscriptionReference>"
    + _children(CurrentTime="2026-06-01T12:00:00Z", TerminationTime="2026-06-01T12:01:00Z")
    + "</t:CreatePullPointSubscriptionResponse>"
)
PULL_MESSAGES = enveloped(
    "<t:PullMessagesResponse><t:CurrentTime>2026-06-01T12:00:00Z</t:CurrentTime><t:NotificationMessage><t:Topic>tns1:"
    'VideoSource/SignalLoss</t:Topic><t:Message><t:Message PropertyOperation="Changed"><t:Source>'
    '<t:SimpleItem Name="S" Value="1"/></t:Source><t:Data><t:SimpleItem Name="State" Value="true"/></t:Data>'
    "</t:Message></t:Message>"
    "</t:NotificationMessage></t:PullMessagesResponse>"
)
FAULT = enveloped(
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>t:NotAuthorized</s:Value></s:Subcode></s:Code></s:Fault>"
)
SOAP = b"\0application/soap+xml\n"
DIALOGUE = (CLOCK, SERVICES, INFORMATION, PROFILES, SNAPSHOT)


@target(
    seeds=(
        SILENT.join(
            (
                *(SOAP + one for one in DIALOGUE),
                b"\0image/jpeg\n" + JPEG,
                SOAP + SUBSCRIBED,
                SOAP + PULL_MESSAGES,
                SOAP + PULL_MESSAGES,
            )
        ),
        SILENT.join((SOAP + CLOCK, SOAP + FAULT, SOAP + CLOCK)),
    ),
    words=(SILENT, SOAP, *DIALOGUE, SUBSCRIBED, PULL_MESSAGES, FAULT, *ENCODINGS),
    longest=16384,
)
def onvif(data: bytes) -> None:
    run_driver(
        OnvifCamera, {**URL, "username": "u", "password": "p", "events": True}, ScriptedLinkFactory(data)
    )


@target(
    soap.NotSoapError,
    soap.FaultError,
    seeds=(CLOCK, SERVICES, FAULT, PULL_MESSAGES),
    words=ENCODINGS,
)
def soap_answers(data: bytes) -> None:
    item = soap.parse_response(data, "tds:GetSystemDateAndTime")
    parse_device_time(item)
    soap.serialise(item)


MATCH = enveloped(
    "<t:ProbeMatches><t:ProbeMatch><t:EndpointReference><t:Address>urn:uuid:4d</t:Address></t:EndpointReference><t:Scopes>"
    "onvif://www.onvif.org/name/x</t:Scopes><t:XAddrs>http://192.0.2.21/onvif http://[fe80::1]:80/x</t:XAddrs></t:ProbeMatch>"
    "</t:ProbeMatches>",
    "<t:RelatesTo>urn:uuid:q</t:RelatesTo>",
)


@target(LinkError, seeds=(MATCH,), words=(b"<t:XAddrs>", b"http://[", b"]:99999", *ENCODINGS))
def discovered(data: bytes) -> None:
    wanted = discovery.DiscoveryTarget(scopes=("name/x",))
    for match in discovery.parse_probe_matches(data, ["urn:uuid:q"]):
        wanted.matches(match.endpoint, match.scopes)
        discovery.reachable_address(match.addresses, "192.0.2.21")


@target(
    seeds=(
        b"http://192.0.2.9:8080/onvif/x?y",
        b"rtsp://h/s",
        b"2026-06-01T12:00:00+03:00",
        b"20260601T120000",
        b"KAA 001A",
        b"97",
    )
)
def texts(data: bytes) -> None:
    """Parse addresses, times, plates and numbers as cameras write them."""
    text = data.decode("utf-8", "surrogateescape")
    addresses = AddressTranslator("http://192.0.2.21")
    addresses.set_reported(text)
    addresses.service(text)
    addresses.stream(text)
    for read in (to_local_time, parse_timestamp, normalise_plate):
        read(text)
    if (time := to_iso(text)) is not None:
        assert datetime.fromisoformat(time)
        assert time.isascii()
    to_fraction(text, 100)


@target(
    seeds=(b"\0\0\1\x67\x42\0\x1e\xab\x40\x50\x1e\xd0\0\0\1\x65\x88\x84\0\x10" + bytes(8),),
    words=(b"\0\0\1\x67", b"\0\0\1\x61"),
)
def h264(data: bytes) -> None:
    numbering = FrameNumberTracker(data[:40])
    for start in range(0, len(data), 64):
        numbering.feed(data[start : start + 64])
