"""Wireshark reads exported recordings: number, bytes, direction and time of packets."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from drivers.links.recording.pcap_export import recording_to_pcapng
from drivers.links.recording.recording import Recording

HEAD = "# borderpost recording 2\n# driver: x\n# settings: {}\n# provenance: a test\n# people: synthetic\n"
SERIAL = "# wire: serial\n0.000 out 52 00 00\n0.250 in  52 00 07 53 49 4d 30 30 30 31\n"
CARD = "# wire: smart-card\n0.100 out 00 a4 04 0c 07 a0 00 00 02 47 10 01\n0.200 in  90 00\n"
BOARD = """# wire: modbus-tcp
0.000 out 00 01 00 00 00 06 01 01 00 00 00 08
0.010 in  00 01 00 00 00 04 01 01 01 05
"""
STREAM = "# wire: http\n0.000 out 47 45 54 20 2f 0a\n0.010 in  32 30 30 0a\n"
USB = """# wire: usb
0.020000 submit 8 control 80 1 setup c0 04 07 00 00 00 01 00
0.021000 complete 8 control 80 ok 1 data 81
0.022000 submit 9 bulk 82 64
0.522000 complete 9 bulk 82 ETIMEDOUT 0
"""
PACKETS: list[dict[str, str]] = [
    {"frame.time_epoch": "0.0", "rtacser.eventtype": "0x01", "data.data": "520000"},
    {"frame.time_epoch": "0.25", "rtacser.eventtype": "0x02", "data.data": "52000753494d30303031"},
    {"frame.time_epoch": "0.1", "exported_pdu.p2p_dir": "0", "iso7816.apdu.body": "a0000002471001"},
    {"frame.time_epoch": "0.2", "exported_pdu.p2p_dir": "1", "iso7816.apdu.sw1": "0x90"},
    {"exported_pdu.p2p_dir": "0", "mbtcp.trans_id": "1", "modbus.func_code": "1"},
    {"exported_pdu.p2p_dir": "1", "mbtcp.trans_id": "1", "modbus.func_code": "1"},
    {"exported_pdu.p2p_dir": "0", "data.data": "474554202f0a"},
    {"exported_pdu.p2p_dir": "1", "data.data": "3230300a"},
    {"frame.time_epoch": "0.02", "usb.urb_type": "'S'", "usb.setup.wValue": "0x0007"},
    {"frame.time_epoch": "0.021", "usb.urb_type": "'C'", "usb.control.Response": "81", "usb.urb_status": "0"},
    {"frame.time_epoch": "0.022", "usb.urb_type": "'S'", "usb.endpoint_address": "0x82"},
    {"frame.time_epoch": "0.522", "usb.urb_type": "'C'", "usb.urb_status": "-110"},
]


def test_wireshark_reads_every_kind_of_link(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    file = tmp_path / "recordings.pcapng"
    # Concatenated captures are a capture (draft-ietf-opsawg-pcapng, section 3.3).
    texts = (SERIAL, CARD, BOARD, STREAM, USB)
    file.write_bytes(b"".join(recording_to_pcapng(Recording.from_text(HEAD + text)) for text in texts))
    fields = [
        part for name in sorted({name for packet in PACKETS for name in packet}) for part in ("-e", name)
    ]
    found = subprocess.run(
        ["tshark", "-r", file, "-T", "json", *fields], check=True, capture_output=True, text=True
    )

    layers = [packet["_source"]["layers"] for packet in json.loads(found.stdout)]
    assert len(layers) == len(PACKETS)
    for layer, packet in zip(layers, PACKETS, strict=True):
        assert {name: _plain(name, layer[name][0]) for name in packet} == packet


def _plain(name: str, value: str) -> str:
    return str(float(value)) if name == "frame.time_epoch" else value
