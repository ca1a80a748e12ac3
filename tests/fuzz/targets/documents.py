"""Document readers: whole drivers on a line, on a keyboard and with a service; zones alone."""

import json
from contextlib import suppress
from datetime import date
from typing import Any

from drivers.links.hid.descriptor import DescriptorError, parse_descriptor
from drivers.links.link import LinkError
from drivers.passport.fullpage import bridge, desko, regula
from drivers.passport.fullpage.vendor_checks import OutcomeWords
from drivers.passport.hid.layouts import choose_layout
from drivers.passport.mrz.checks import mrz_checks
from drivers.passport.mrz.parser import parse
from drivers.passport.mrz_hid import MrzHid
from drivers.passport.mrz_serial import MrzSerial
from drivers.passport.mrz_wedge import MrzWedge
from drivers.passport.ocr_scanner import OcrScanner
from fuzz.scripted_links import CUT, SILENT, ScriptedLinkFactory, recorded, run_driver
from fuzz.target import target
from simulators.passport.hid import ACCESSIS_DESCRIPTOR, POS_DESCRIPTOR

PORT = {"port": "/dev/ttyFUZZ"}
ZONE = (
    b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    b"L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
CARD = (
    b"I<UTOD231458907<<<<<<<<<<<<<<<",
    b"7408122F1204159UTO<<<<<<<<<<<6",
    b"ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)
WORDS = (SILENT, CUT, *ZONE, *CARD, b"<<", b"\r", b"\r\n")
TODAY = date(2026, 6, 1)


def serial(
    name: str, kind: type[Any], recording: str, words: tuple[bytes, ...] = (), **settings: Any
) -> None:
    """Register a whole driver as a target."""

    @target(name=name, seeds=recorded(f"passport/{recording}.rec"), words=(*WORDS, *words))
    def attempt(data: bytes) -> None:
        run_driver(kind, {**PORT, **settings}, ScriptedLinkFactory(data))


serial(
    "accessis", MrzSerial, "accessis", (b"\x1c\x02", b"\x1e\x02", b"\x03"), framing="accessis", barcodes={}
)
serial("rte", MrzSerial, "rte", (b"\x01`\0OU\x02", b"\x03"), framing="rte", bcc="xor")
serial("rte_unchecked", MrzSerial, "rte", (b"\x01`\0OU\x02", b"\x03"), framing="rte", bcc="none")
serial("elyctis", MrzSerial, "elyctis", (b"I\0", b"C\0", b"L\0", b"T\0"), framing="elyctis")
serial("text", MrzSerial, "text", framing="text", non_mrz_text="publish")
serial("ocr_honeywell", OcrScanner, "ocr-honeywell", (b"REVINF", b"\x06!", b"\x05."), model="honeywell")
serial(
    "ocr_newland",
    OcrScanner,
    "ocr-newland",
    (b"\x02\x010000#", b"\x06;\x03"),
    model="newland",
    trigger="command",
)
serial("ocr_zebra", OcrScanner, "ocr-zebra", model="zebra")
serial("ocr_code", OcrScanner, "ocr-code", model="code")
serial(
    "ocr_est100",
    OcrScanner,
    "ocr-est-100pr",
    (b'\x02CameraData:{"data":"', b"\x02PCSign:", b"}\x03"),
    model="est-100pr",
)


@target(seeds=recorded("passport/wedge.rec"), words=(SILENT,))
def wedge(data: bytes) -> None:
    run_driver(MrzWedge, {"port": "/dev/input/event9", "non_mrz_text": "publish"}, ScriptedLinkFactory(data))


def hid(name: str, words: tuple[bytes, ...], **settings: Any) -> None:
    """Register a reader in HID mode as a target: its script is events of uhid."""

    @target(name=name, seeds=recorded(f"passport/{name.replace('_', '-')}.rec"), words=(*WORDS, *words))
    def attempt(data: bytes) -> None:
        run_driver(MrzHid, {**PORT, "barcodes": {}, **settings}, ScriptedLinkFactory(data))


hid("hid_pos", (b"\x0c\0\0\0\x40\0\x02\x38]o0", b"\x0b\0\0\0", b"\x05\x8c\t\x02\xa1\x01"), format="pos")
hid("hid_accessis", (b"\x0c\0\0\0\x40\0\x3f\x1c\x02", b"\x03\x1d"), format="accessis")


@target(seeds=(POS_DESCRIPTOR, ACCESSIS_DESCRIPTOR), words=(b"\x05\x8c", b"\xa1\x01", b"\xc0", b"\x81\x02"))
def report_descriptors(data: bytes) -> None:
    with suppress(DescriptorError):
        parsed = parse_descriptor(data)
        with suppress(LinkError):
            choose_layout(parsed, "auto", 0x0DB5, "usb:0DB5:013E").piece(bytes(64))


@target(seeds=(b"\n".join(ZONE), b"\n".join(CARD), b"".join(ZONE)), words=WORDS)
def zones(data: bytes) -> None:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    mrz_checks(parse(lines, TODAY), lines, TODAY)


URL = {"url": "http://localhost:1"}
JSON = b"\0application/json\n"
STATUS = (
    b'{"bridge":1,"reader":{"connected":true,"model":"FP-1","serial_number":"1"},"document":"present",'
    b'"checks":["uv_br_ph"]}'
)
ABSENT = STATUS.replace(b"present", b"absent")
LINES = (
    b'{"placed":{}}',
    b'{"mrz":{"lines":["' + b'","'.join(ZONE) + b'"]}}',
    b'{"image":{"light":"visible","area":"page","path":"/images/1"}}',
    b'{"check":{"code":"uv_br_ph","outcome":"successful","vendor_code":"UV"}}',
    b'{"check":{"code":"ir_ab_mr","vendor_code":"ok"}}',
    b'{"removed":{}}',
    b'{"done":{}}',
    b'{"error":{"code":"busy"}}',
)
JPEG = b"\0image/jpeg\n\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x11\0\x01\xff\xda\0\x02\xff\xd9"


@target(seeds=(STATUS, *LINES), words=(b'"placed"', b'"mrz"', b'"image"', b'"check"', b'"done"', b'"lines"'))
def bridge_lines(data: bytes) -> None:
    bridge.parse_status(data)
    bridge.parse_line(data, OutcomeWords())


@target(
    seeds=(
        SILENT.join(
            (JSON + STATUS, JSON + STATUS, JSON + b"\n".join((*LINES[:5], LINES[6])), JPEG, JSON + ABSENT)
        ),
        SILENT.join((JSON + ABSENT, JSON + STATUS, JSON + b"\n".join((LINES[0], LINES[1], LINES[5])))),
    ),
    words=(JSON, JPEG, SILENT, CUT, *LINES),
)
def bridge_service(data: bytes) -> None:
    run_driver(bridge.BridgeReader, {**URL, "regula": URL}, ScriptedLinkFactory(data))


MRZ = json.dumps({"available": True, "line1": ZONE[0].decode(), "line2": ZONE[1].decode()}).encode()
RESOURCES = (
    MRZ,
    b'{"available":true,"img":"base64,/9j/wAALCAABAAEBEQAB/9oAAv/Z"}',
    b'{"available":true,"document":"ok","face":"dull","mrz":"bright"}',
    b'{"available":true,"testResult":"ok"}',
    b'{"available":false}',
)


@target(
    seeds=RESOURCES,
    words=(b'"img"', b'"testResult"', b'"available":true', b'"line1"', b'"document"', b'"face"'),
)
def desko_resources(data: bytes) -> None:
    desko.is_available(data)
    answer = desko.parse_object(data) or {}
    desko.ordered_resources(answer.get("resourceList"))
    for path in ("mrz", "uv-dullness", "b900-check", "visible/document", "infrared/face", "x"):
        for known in (False, True):
            desko.parse_resource(f"/v1/{path}", data, OutcomeWords(), zone_known=known)


PRESENT = b'{"document":"on"}'
DIALOGUE = (
    b'{"reservationid":"7"}',
    b'{"DeskoWebApiVersion":"1.0","Connected":true,"Plugged":true,"DeviceData":{"DeviceVid":1859,"DevicePid":1}}',
    PRESENT,
    b'{"resourceList":["/scan/mrz","/scan/visible/document","/scan/uv-dullness","/scan/b900-check"]}',
    *(one for resource in RESOURCES[:4] for one in (resource, PRESENT)),
    b'{"document":"off"}',
)


@target(seeds=(SILENT.join(JSON + one for one in DIALOGUE),), words=(JSON, SILENT, *DIALOGUE[:4]))
def desko_service(data: bytes) -> None:
    run_driver(desko.DeskoReader, URL, ScriptedLinkFactory(data))


CHECKED = {"Type": 1, "ElementType": 1, "ElementResult": 1, "ElementDiagnose": 0, "LightIndex": 128}
CONTAINERS = (
    {
        "result_type": 36,
        "Text": {"fieldList": [{"fieldType": 51, "value": "^".join(z.decode() for z in ZONE)}]},
    },
    {"result_type": 3, "DocVisualExtendedInfo": {"pArrayFields": [{"wFieldType": 51, "Buf_Text": "I<"}]}},
    {"result_type": 20, "AuthenticityCheckList": {"List": [{"Type": 1, "List": [CHECKED]}]}},
    {"result_type": 33, "Status": {"detailsOptical": {"docType": 1}}},
)


@target(
    seeds=[
        json.dumps({"ProcessingFinished": 2, "ContainerList": {"List": found}}).encode()
        for found in (CONTAINERS, *([one] for one in CONTAINERS))
    ],
    words=(b'"ContainerList"', b'"List"', b'"result_type"', b'"ElementDiagnose"', b'"ElementResult"'),
)
def regula_answers(data: bytes) -> None:
    regula.parse_response(data, "failed")
