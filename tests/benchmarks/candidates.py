"""The candidates, and their configurations for a serial port and a broker."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
PLUGINS = Path(__file__).parent / "plugins"


@dataclass(frozen=True)
class Setting:
    """Environment of a candidate: its folder, the ports of its readers, the broker."""

    folder: Path
    ttys: Sequence[Path]
    broker_port: int
    driver: str = "mrz-serial"


@dataclass(frozen=True)
class Candidate:
    """One way to get a line from a serial port to MQTT."""

    name: str
    what: str
    durable: bool
    command: Callable[[Setting], tuple[list[str], Mapping[str, str]]]
    patience_s: float = 15
    """Time limit of its start, in seconds."""


POST = """
[gateway]
site = "uto-bench"
name = "gw-1"
profile = "test"
state_dir = "{folder}/state"
[broker]
host = "127.0.0.1"
port = {port}
[delivery]
# A backlog must not expire while it is measured, and is drained as fast as it goes; by default these are 60 s
# and 500 a second.
traveller_expires_s = 600
backlog_rate_per_s = 100000
[supervision]
# Bursts and backlogs are far above the budget of a device.
max_events_per_s = 100000
"""
DEVICE = """
[device."lane-{lane}/reader"]
driver = "{driver}"
port = "{tty}"
"""
STATION = "bench"
"""Station that may command the device of `push_driver`."""
COMMANDS = """
[commands]
roles_file = "roles.toml"
min_move_interval_s = 0.001
moves_per_min = 600
"""
ROLES = """
authority = "UTO"
[role.all]
verbs = ["*"]
can_move = true
[station.bench]
roles = ["all"]
positions = ["*/*"]
"""
TEXT_READER = 'framing = "text"\nnon_mrz_text = "publish"\n'


def _gateway(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
    post = POST.format(folder=setting.folder, port=setting.broker_port)
    for lane, tty in enumerate(setting.ttys, 1):
        post += DEVICE.format(lane=lane, driver=setting.driver, tty=tty)
        post += TEXT_READER if setting.driver == "mrz-serial" else ""
    if setting.driver == "push":
        (setting.folder / "roles.toml").write_text(ROLES)
        post += COMMANDS
    config = setting.folder / "post.toml"
    config.write_text(post)
    path = os.pathsep.join((str(ROOT), str(PLUGINS)))
    return [sys.executable, "-m", "gateway", str(config)], {"PYTHONPATH": path}


def _durable(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
    script = str(SCRIPTS / "durable.py")
    folder = str(setting.folder / "outbox")
    return [sys.executable, script, str(setting.ttys[0]), str(setting.broker_port), folder], {}


def _bare(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
    return [sys.executable, str(SCRIPTS / "bare.py"), str(setting.ttys[0]), str(setting.broker_port)], {}


GATEWAY = Candidate("gateway", "this gateway: validated, numbered, sealed, durable", True, _gateway)
DURABLE = Candidate("durable script", "pyserial, SQLite (FULL), AES-GCM, paho", True, _durable)
BARE = Candidate("bare script", "pyserial, paho", False, _bare)


def node_red(installed: Path) -> Candidate:
    """Return Node-RED with a serial port node connected to an MQTT node."""

    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        home = setting.folder / "node-red"
        home.mkdir(exist_ok=True)
        modules = home / "node_modules"
        if not modules.exists():
            modules.symlink_to(installed / "node_modules")
        port = {"id": "port", "type": "serial-port", "serialport": str(setting.ttys[0])}
        port |= {"serialbaud": "115200", "databits": "8", "parity": "none", "stopbits": "1"}
        port |= {"newline": "\\n", "bin": "false", "out": "char", "responsetimeout": "10000"}
        broker = {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "protocolVersion": "5"}
        broker |= {"port": str(setting.broker_port), "clientid": "node-red", "autoConnect": True}
        broker |= {"keepalive": "60", "cleansession": True, "usetls": False}
        reader = {"id": "reader", "type": "serial in", "z": "tab", "serial": "port", "wires": [["out"]]}
        out = {"id": "out", "type": "mqtt out", "z": "tab", "topic": "bench/node-red", "qos": "1"}
        out |= {"retain": "false", "broker": "broker", "wires": []}
        flows = [{"id": "tab", "type": "tab", "label": "bench"}, port, broker, reader, out]
        (home / "flows.json").write_text(json.dumps(flows))
        (home / "settings.js").write_text(
            "module.exports = { flowFile: 'flows.json', uiHost: '127.0.0.1', uiPort: 0, httpAdminRoot: false,"
            " disableEditor: true, credentialSecret: false, telemetry: { enabled: false },"
            " logging: { console: { level: 'warn' } } }"
        )
        red = str(installed / "node_modules" / "node-red" / "red.js")
        return ["node", red, "-u", str(home), "-s", str(home / "settings.js")], {}

    return Candidate("Node-RED", "serial in, mqtt out; nothing stored", False, command, patience_s=40)


def thingsboard(installed: Path) -> Candidate:
    """Return ThingsBoard Gateway with its serial connector and SQLite storage; otherwise default settings."""
    python = installed / "bin" / "python"

    def command(setting: Setting) -> tuple[list[str], Mapping[str, str]]:
        home = setting.folder / "thingsboard"
        (home / "logs").mkdir(parents=True, exist_ok=True)
        package = next(installed.glob("lib/python*/site-packages/thingsboard_gateway"))
        shutil.copy(package / "config" / "logs.json", home)
        server = {"host": "127.0.0.1", "port": setting.broker_port, "qos": 1, "remoteShell": False}
        server |= {"remoteConfiguration": False, "statistics": {"enable": False}}
        server |= {"security": {"type": "accessToken", "accessToken": "bench"}}
        server |= {"reportStrategy": {"type": "ON_RECEIVED"}, "minPackSendDelayMS": 50}
        server |= {"checkConnectorsConfigurationInSeconds": 3600, "handleDeviceRenaming": True}
        server |= {"checkingDeviceActivity": {"checkDeviceInactivity": False}, "minPackSizeToSend": 500}
        server |= {"deviceFiltering": {"enable": False}, "maxPayloadSizeBytes": 8196}
        storage = {"type": "sqlite", "data_file_path": str(home / "data.db"), "max_read_records_count": 1000}
        storage |= {"messages_ttl_check_in_hours": 1, "messages_ttl_in_days": 7}
        connector = {"type": "serial", "name": "Reader", "configuration": "reader.json"}
        connector["class"] = "SerialConnector"
        gateway = {"thingsboard": server, "storage": storage, "grpc": {"enabled": False}}
        gateway["connectors"] = [connector]
        (home / "tb_gateway.json").write_text(json.dumps(gateway))
        device = {"name": "Reader 1", "type": "default", "port": str(setting.ttys[0]), "baudrate": 115200}
        device |= {"converter": "SerialUplinkConverter", "downlink_converter": "SerialDownlinkConverter"}
        device["telemetry"] = [{"type": "string", "key": "line", "untilDelimiter": "\r"}]
        device |= {"attributes": [], "attributeUpdates": [], "serverSideRpc": []}
        reader = {"name": "Reader", "id": "3d1a52a4-6c3d-4bf5-9e39-5f3c1c2c9a10", "logLevel": "INFO"}
        reader |= {"uplinkQueueSize": 100_000, "devices": [device]}
        (home / "reader.json").write_text(json.dumps(reader))
        environment = {"TB_GW_CONFIG_DIR": f"{home}/", "TB_GW_LOGS_PATH": str(home / "logs")}
        return [str(python), "-m", "thingsboard_gateway.tb_gateway"], environment

    return Candidate("ThingsBoard", "serial connector, SQLite storage", True, command, patience_s=60)
