"""USB trace: readable by Wireshark, bounded in size."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.devices.usb_fixture import UsbTestDevice, plugged_usb_device

from drivers.links.factory import LinkFactory
from drivers.links.recording.usb_trace import Transfer, TransferType, UsbTrace
from drivers.links.usb.link import UsbSettings
from drivers.links.usb.transfers import TransferStalled, TransferTimedOut

FIELDS = (
    "frame.time_epoch",
    "usb.urb_type",
    "usb.transfer_type",
    "usb.endpoint_address",
    "usb.urb_status",
    "usb.urb_len",
    "usb.setup.bRequest",
    "usb.setup.wValue",
    "usb.setup.wLength",
    "usb.data_fragment",
    "usb.control.Response",
    "usb.capdata",
)


def dissected(file: Path) -> list[dict[str, Any]]:
    """Return the output of Wireshark's dissectors, one row a packet."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    fields = [part for name in FIELDS for part in ("-e", name)]
    found = subprocess.run(
        ["tshark", "-r", file, "-T", "json", *fields], check=True, capture_output=True, text=True
    )
    return [
        {name: values[0] for name, values in packet["_source"]["layers"].items()}
        for packet in json.loads(found.stdout)
    ]


async def test_wireshark_reads_trace(tmp_path: Path) -> None:
    trace = UsbTrace()
    with plugged_usb_device() as (server, device):
        links = LinkFactory(transfers=trace.tap)
        link = await links.usb(UsbSettings(port=server.address))
        await link.control_out(4, 0x4E, 0, b"\x10")
        device.registers[7] = b"\x81"
        await link.control_in(4, 7, 0, 1)
        said = link.listen(0x81, 64)
        device.said.write(b"\x01\x01")
        await said.next()
        device.bulk_in.write(b"\x00" * 5000)
        await link.read(0x82, 8192)
        await link.write(0x03, b"\x80\x38")
        with pytest.raises(TransferTimedOut):
            await link.read(0x82, 64, timeout_s=0.01)
        with pytest.raises(TransferStalled):
            await link.control_in(4, UsbTestDevice.STALLS, 0, 1)
        await links.close()
    file = tmp_path / "trace.pcapng"
    file.write_bytes(trace.pcapng())
    packets = dissected(file)
    assert len(packets) == len(trace.transfers)

    def ends(endpoint: str, kind: str) -> list[dict[str, Any]]:
        return [
            packet
            for packet in packets
            if (packet["usb.endpoint_address"], packet["usb.transfer_type"]) == (endpoint, kind)
        ]

    written, taken = ends("0x00", "0x02")[:2]
    assert (written["usb.urb_type"], written["usb.urb_status"]) == ("'S'", "-115")
    assert (written["usb.setup.bRequest"], written["usb.setup.wValue"]) == ("4", "0x004e")
    assert (written["usb.data_fragment"], taken["usb.urb_type"], taken["usb.urb_status"]) == (
        "10",
        "'C'",
        "0",
    )
    asked, answered, _, refused = ends("0x80", "0x02")
    assert (asked["usb.setup.wLength"], answered["usb.control.Response"]) == ("1", "81")
    assert refused["usb.urb_status"] == "-32"
    assert "0101" in [packet.get("usb.capdata") for packet in ends("0x81", "0x01")]
    begun, read, _, late = ends("0x82", "0x03")
    assert (begun["usb.urb_len"], read["usb.urb_len"]) == ("8192", "5000")
    assert len(read["usb.capdata"]) == 10_000
    assert late["usb.urb_status"] == "-110"
    assert [packet.get("usb.capdata") for packet in ends("0x03", "0x03")] == ["8038", None]
    times = [packet["frame.time_epoch"] for packet in packets]
    assert times == sorted(times)


def test_trace_keeps_latest_transfers() -> None:
    trace = UsbTrace(limit_bytes=3000)
    for number in range(100):
        trace.tap(
            Transfer(number, "complete", TransferType.BULK, 0x82, 1, 2, number, 0, 500, data=bytes(500))
        )
    assert [transfer.id for transfer in trace.transfers] == [97, 98, 99]
