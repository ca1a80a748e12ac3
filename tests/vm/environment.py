"""Environment of the machine: devices on its USB cables, headquarters, a workstation."""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from support.brokers.mosquitto import Mosquitto
from support.ports import free_port

from gateway.client import Workstation
from simulators.barrier.modbus_site import ModbusSite
from simulators.fingerprint.fingers import Finger
from simulators.fingerprint.uru4000 import Uru4000
from simulators.mrz import Format
from simulators.passport import AccessIs
from simulators.passport.hid import IDENTITIES, HidFormat, HidReader
from simulators.passport.keyboard import EndKey, end_strokes, strokes_of
from simulators.travellers import TravellerGenerator
from simulators.usb.hid_reader import UsbHidReader
from simulators.usb.keyboard import UsbKeyboard
from simulators.usb.serial_port import UsbSerialPort
from simulators.usb.usbip_bus import UsbIpBus
from vm import barrier_lane
from vm.machine import ADDRESS

SITE, LANE = "ke-busia", "lane-1"
BUSIDS = {"reader": "1-1", "wedge": "1-2", "finger": "1-3", "hid": "1-4"}
DEVICES = (*BUSIDS, "camera")
BARRIER = f"{LANE}/barrier"
"""The only device of `barrier.toml`: polled five times a second, it costs an emulated processor too much."""
LATE_S = 60.0
"""Seconds after which a traveller event expires (`traveller_expires_s`)."""

POST = f"""
[gateway]
site = "{SITE}"
name = "gw-1"
profile = "test"               # devices over USB/IP and vivid are simulated, and say so
state_dir = "/var/lib/borderpost"

[broker]
host = "127.0.0.1"
[broker.tls]
ca_file = "/etc/borderpost/gw-1/ca.crt"
cert_file = "/etc/borderpost/gw-1/gw-1.crt"
key_file = "/etc/borderpost/gw-1/gw-1.key"

[hq]
host = "{ADDRESS}"
port = @HQ_PORT@
[hq.tls]
ca_file = "/etc/borderpost/hq/ca.crt"
cert_file = "/etc/borderpost/hq/gw-1.crt"
key_file = "/etc/borderpost/hq/gw-1.key"

[encryption]
credential = "outbox.key"

[commands]
roles_file = "/etc/borderpost/gw-1/roles.toml"

# The emulated processor is some tens of times slower than the slowest mini-PC.
[supervision]
heartbeat_timeout_s = 40
open_timeout_s = 120
backoff_max_s = 3
"""
FIVE_DEVICES = f"""
[device."{LANE}/reader"]
driver = "mrz-serial"
port = "/dev/serial/by-id/usb-Access-IS_OCR315e_SIM0001-if00"
framing = "accessis"

[device."{LANE}/wedge"]
driver = "mrz-wedge"
port = "/dev/input/by-id/usb-Access-IS_OCR315k_SIM0002-event-kbd"
gap_s = 3.0

[device."{LANE}/hid"]
driver = "mrz-hid"
port = "usb:0DB5:013E:SIM0004"
gap_s = 3.0

[device."{LANE}/finger"]
driver = "uru4000"
port = "usb:05BA:000A:SIM0003"
quality = "ridge_clarity"

[device."{LANE}/camera"]
driver = "camera-uvc"
port = "/dev/v4l/by-path/platform-vivid.0-video-index0"
size = "320x180"
frames_per_s = 1
no_frame_timeout_s = 60
"""
TRUST = f"""
[broker]
names = ["localhost", "127.0.0.1"]
[[post]]
file = "post.toml"
authority = "KE"
movable_positions = ["{BARRIER}"]
[person.supervisor]
role = "supervisor"
"""


@dataclass(frozen=True)
class ReceivedEvent:
    """One received event."""

    at: float
    """Time by the host's wall clock."""
    event: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        return str(self.event["id"])

    @property
    def kind(self) -> str:
        return str(self.event["type"]).removeprefix("bgw.").rpartition(".")[0]

    @property
    def is_record(self) -> bool:
        return str(self.event["stream"]).endswith("/record")

    @property
    def age_s(self) -> float:
        return self.at - datetime.fromisoformat(self.event["time"]).timestamp()


class Witness:
    """Records every event and state that reaches one client of a broker, connected or not."""

    def __init__(self, port: int, tls: ssl.SSLContext, *patterns: str) -> None:
        self.received: list[ReceivedEvent] = []
        self.states: list[tuple[float, str, dict[str, Any]]] = []
        self.connected = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda client, *_: client.subscribe([(pattern, 1) for pattern in patterns])
        self._client.on_subscribe = lambda *_: self.connected.set()
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_message = self._on_message
        self._client.connect_async("127.0.0.1", port, keepalive=10)
        self._client.loop_start()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if not message.payload:
            return
        if "/evt/" in message.topic:
            self.received.append(ReceivedEvent(time.time(), json.loads(message.payload)))
        elif f"/{LANE}/" in message.topic:
            self.states.append((time.monotonic(), message.topic.split("/")[-2], json.loads(message.payload)))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class MachineEnvironment:
    """Devices, broker and workstation outside the machine. `folder/share` is /mnt/host in the machine."""

    def __init__(self, folder: Path) -> None:
        self.share = folder / "share"
        self.share.mkdir()
        port = free_port()
        (self.share / "trust.toml").write_text(TRUST)
        (self.share / "hq.toml").write_text(TRUST.replace('"localhost"', f'"{ADDRESS}"'))
        head = POST.replace("@HQ_PORT@", str(port))
        self.boom_port = free_port()
        barrier = barrier_lane.table(BARRIER, self.boom_port)
        # The stations get their rights to all devices.
        (self.share / "post.toml").write_text(head + FIVE_DEVICES + barrier)
        for name in ("trust", "hq"):
            command = (
                "trust",
                "init",
                "--no-passphrase",
                "-d",
                self.share / f"{name}.toml",
                "-f",
                self.share / name,
            )
            program = (sys.executable, "-c", "from gateway.cli import main; main()")
            subprocess.run([*program, *command], check=True, capture_output=True)
        (self.share / "post.toml").write_text(head + FIVE_DEVICES)
        (self.share / "barrier.toml").write_text(head + barrier)
        at_hq = self.share / "hq" / "broker"
        self.hq = Mosquitto(
            listener=(
                f"cafile {at_hq}/ca.crt",
                f"certfile {at_hq}/broker.crt",
                f"keyfile {at_hq}/broker.key",
                "require_certificate true",
                "tls_version tlsv1.3",
            ),
            port=port,
        ).start()
        self.at_hq = Witness(self.hq.port, self.tls("supervisor", "hq"), "bgw/v1/+/+/+/evt/+")
        self.reader_port = UsbSerialPort(0x0DB5, 0x0137, "Access-IS", "OCR315e", "SIM0001")
        self.reader = AccessIs(self.reader_port)  # type: ignore[arg-type]
        self.wedge = UsbKeyboard(0x0DB5, 0x0138, "Access-IS", "OCR315k", "SIM0002")
        hid = replace(IDENTITIES[HidFormat.ACCESSIS], serial_number="SIM0004")
        self.hid_port = UsbHidReader(hid)
        self.hid = HidReader(self.hid_port, HidFormat.ACCESSIS, hid, is_uhid=False)  # type: ignore[arg-type]
        self.finger = Uru4000("4500", serial_number="SIM0003")
        self.travellers = TravellerGenerator(7)
        self.bus = UsbIpBus()
        self.boom: ModbusSite

    def tls(self, name: str | None, authority: str = "trust") -> ssl.SSLContext:
        """Return the TLS context of a principal at the post's broker, or at headquarters' (`hq`)."""
        folder = self.share / authority
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        if name is not None:
            context.load_cert_chain(folder / name / f"{name}.crt", folder / name / f"{name}.key")
        return context

    @contextlib.asynccontextmanager
    async def plugged(self) -> AsyncIterator["MachineEnvironment"]:
        """Run with the devices on the bus."""
        async with self.bus, barrier_lane.running(self.boom_port) as self.boom:
            for name, device in (
                ("reader", self.reader_port),
                ("wedge", self.wedge),
                ("finger", self.finger),
                ("hid", self.hid_port),
            ):
                self.bus.connect(BUSIDS[name], device)
            # The first image of a finger takes a second to render.
            await asyncio.to_thread(self.finger.platen.render_ahead, Finger(5).touch())
            yield self

    def workstation(self, port: int) -> Workstation:
        """Return the lane's workstation."""
        return Workstation(
            "127.0.0.1",
            port,
            site=SITE,
            positions=[*(f"{LANE}/{name}" for name in DEVICES), BARRIER],
            client_id=LANE,
            station=LANE,
            tls=self.tls(LANE),
        )

    async def swipe(self) -> bool:
        """Present a traveller's passport at the reader; return whether the port was open."""
        return await self.reader.present(self.travellers.document(Format.TD3))

    async def swipe_hid(self) -> bool:
        """Present a traveller's passport at the reader in HID mode; return whether it was switched on."""
        return await self.hid.present(self.travellers.document(Format.TD3))

    def type(self) -> bool:
        """Type a traveller's passport at the keyboard reader; return whether a host read it."""
        strokes = [
            stroke
            for line in self.travellers.document(Format.TD3).lines
            for stroke in (*strokes_of(line), *end_strokes(EndKey.ENTER))
        ]
        return self.wedge.type(strokes)

    def close(self) -> None:
        self.at_hq.close()
        for device in (self.reader_port, self.wedge, self.finger, self.hid_port):
            device.close()
        self.hq.close()
