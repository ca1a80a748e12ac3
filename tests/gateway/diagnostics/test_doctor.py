"""The doctor on staged machines, beside real brokers: every fault named with a remedy, no false alarm."""

import json
import os
import pwd
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import ST_GID, ST_UID

import pytest
from support.brokers.certificates import Authority
from support.brokers.mosquitto import Mosquitto
from support.devices.fingerprint_scanners import usb_scanner
from support.gateway.staged_hosts import StagedHost
from typer.testing import CliRunner

from drivers.registry import load_driver
from drivers.unavailable import unavailable_driver
from gateway.api.models import Finding
from gateway.cli import app
from gateway.contract.envelope import ClockStatus
from gateway.diagnostics.checks.usb_tree import list_usb_devices, matching_devices
from gateway.diagnostics.doctor import run_doctor
from gateway.diagnostics.findings import phone_code
from gateway.diagnostics.host import HostView
from simulators.usb.sysfs import Tree

ROOT_HUB = "sys/bus/usb/devices/1-0:1.0"
NOBODY = pwd.getpwnam("nobody")
READER = """
[device."lane-1/reader"]
driver = "mrz-serial"
port = "{port}"
framing = "text"
"""
FINGER = """
[device."lane-1/finger"]
driver = "uru4000"
port = "usb:05BA:000A"
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as mosquitto:
        yield mosquitto


@pytest.fixture
def machine(tmp_path: Path) -> StagedHost:
    return StagedHost(tmp_path / "machine")


class Post:
    """The file of a post, and what the doctor says of it."""

    def __init__(self, folder: Path, machine: StagedHost, port: int) -> None:
        self.machine = machine
        self.file = folder / "post.toml"
        self.state_dir = folder / "state"
        self.state_dir.mkdir(mode=0o700)
        (self.state_dir / "lock").touch()
        machine.locked(self.state_dir, 4711)
        self.head = (
            f'[gateway]\nsite = "uto-test"\nname = "gw-1"\nprofile = "test"\nstate_dir = "{self.state_dir}"\n'
        )
        self.broker = f'[broker]\nhost = "127.0.0.1"\nport = {port}\n'
        self.devices = ""

    def findings(self) -> dict[str, Finding]:
        """By code, the worst of each."""
        self.file.write_text(self.head + self.broker + self.devices)
        told = run_doctor(self.file, host=self.machine.host_view)
        return {finding.code: finding for finding in reversed(told)}

    def bad(self) -> dict[str, Finding]:
        return {code: finding for code, finding in self.findings().items() if finding.severity != "ok"}


Own = Callable[[Path, int, int], None]
"""Give a file to a user and a group, by their numbers; -1 leaves one as it is."""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Own:
    """Only root may give files away; for anybody else the owner that stat(2) tells is replaced."""
    if os.geteuid() == 0:
        return os.chown
    given: dict[str, tuple[int, int]] = {}
    look = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = look(path, follow_symlinks=follow_symlinks)
        values = list(found)
        for place, number in zip((ST_UID, ST_GID), given.get(str(path), (-1, -1)), strict=True):
            if number != -1:
                values[place] = number
        return os.stat_result(values)

    monkeypatch.setattr(Path, "stat", stat)
    return lambda path, uid, gid: given.update({str(path): (uid, gid)})


@pytest.fixture
def post(tmp_path: Path, machine: StagedHost, broker: Mosquitto) -> Post:
    post = Post(tmp_path, machine, broker.port)
    port = machine.write("dev/ttyUSB0", "")
    post.devices = READER.format(port="/dev/ttyUSB0")
    port.chmod(0o660)
    return post


def test_a_post_that_is_well_is_said_to_be_well(post: Post) -> None:
    findings = post.findings()

    assert post.bad() == {}
    assert {"broker_refuses", "clock_unsynced", "disk_low", "memory_low", "too_hot"} <= findings.keys()
    assert findings["gateway_down"].text == "The gateway is running (pid 4711)."


@pytest.mark.parametrize(
    ("file", "said", "code", "text", "how"),
    [
        ("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 51200 kB", "memory_low", "50 MiB", "ps -eo"),
        ("proc/vmstat", "oom_kill 3", "memory_killed", "3 processes", "journalctl -k"),
        ("sys/class/thermal/thermal_zone0/temp", 84000, "too_hot", "84 °C", "dust"),
        ("sys/block/mmcblk0/device/life_time", "0x01 0x0a", "disk_worn", "over 90 %", "replacement"),
        ("sys/class/rtc/rtc0/since_epoch", 946684800, "clock_rtc", "differs", "battery"),
        ("proc/712/comm", "ModemManager", "rival_running", "ModemManager", "mask --now ModemManager"),
        (f"{ROOT_HUB}/usb1-port2/over_current_count", 2, "usb_over_current", "usb1-port2", "supply"),
        ("proc/locks", "", "gateway_down", "not running", "systemctl start borderpost"),
    ],
)  # fmt: skip
def test_what_the_kernel_tells(post: Post, file: str, said: object, code: str, text: str, how: str) -> None:
    post.machine.write(file, said)

    bad = post.bad()

    assert list(bad) == [code]
    assert text in bad[code].text
    assert how in bad[code].how
    assert bad[code].action != "none"


def test_a_dying_cable_and_a_dying_disk_as_the_kernel_has_seen_them(post: Post, machine: StagedHost) -> None:
    post.devices += FINGER
    machine.plug("1-2", "05ba:000a", 4)
    reset = "6,1201,5140900,-;usb 1-2: reset full-speed USB device number 4 using xhci_hcd"
    error = "3,1202,5140999,-;usb 1-2: device descriptor read/64, error -71"
    disk = "3,1203,5141999,-;I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1"
    machine.write("dev/kmsg", "\n".join([reset, error, "6,1,2,-;usb 1-3: new device"]))
    assert "usb_errors" not in post.bad(), "a device may be reset once"

    machine.write("dev/kmsg", "\n".join([reset, error, reset, error, disk]))
    bad = post.bad()
    assert (bad["usb_errors"].subject, "4 times" in bad["usb_errors"].text) == ("lane-1/finger", True)
    assert "grep 'usb 1-2:'" in bad["usb_errors"].how
    assert "1 errors of sda" in bad["disk_errors"].text


def test_a_wrong_rate_as_the_port_counts_it(post: Post, machine: StagedHost) -> None:
    machine.write("dev/ttyS1", "")
    post.devices = READER.format(port="/dev/ttyS1")
    table = (
        "serinfo:1.0 driver revision:\n0: uart:unknown port:000003F8 irq:4\n1: uart:16550A irq:3 tx:9 rx:{}"
    )
    machine.write("proc/tty/driver/serial", table.format("9000 fe:2 RTS|DTR"))
    assert "baud_wrong" not in post.bad()

    machine.write("proc/tty/driver/serial", table.format("90 fe:41 oe:2 RTS|DTR"))
    assert "ttyS1 has counted 41 framing and parity errors in 90 bytes" in post.bad()["baud_wrong"].text
    assert post.bad()["port_overrun"].severity == "notice"


def test_a_disk_that_says_it_fails(post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by a program that answers as smartctl 7.4 does: the disk of a test machine has nothing to say."""
    post.machine.write("sys/block/sda/size", 1000)
    program = tmp_path / "bin/smartctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho \'{"smart_status": {"passed": false}}\'\nexit 8\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    assert "smartctl -a /dev/sda" in post.bad()["disk_failing"].how


def test_a_file_that_only_whoever_asks_may_read(
    post: Post, machine: StagedHost, own: Own, tmp_path: Path
) -> None:
    machine.write("proc/4711/status", f"Uid:\t0\t{NOBODY.pw_uid}\nGid:\t0\t65534\nGroups:\nCapEff:\t0")
    own(post.state_dir, NOBODY.pw_uid, -1)
    roles = tmp_path / "roles.toml"
    roles.write_text('authority = "UTO"\n')
    roles.chmod(0o600)
    post.devices += f'[commands]\nroles_file = "{roles}"\n'

    unreadable = post.bad()["file_unreadable"]
    assert unreadable.text.startswith(
        "[commands] roles_file: the gateway runs as nobody, which may not read it"
    )
    assert unreadable.how == f"sudo chgrp nobody {roles} && sudo chmod 640 {roles}"


def test_what_nobody_thought_of_hides_nothing_else(post: Post, machine: StagedHost) -> None:
    machine.write("proc/vmstat", "oom_kill many")
    machine.write("sys/class/thermal/thermal_zone0/temp", 84000)

    bad = post.bad()
    assert "ValueError at machine.py:" in bad["look_failed"].text
    assert "too_hot" in bad


def test_a_clock_that_nobody_keeps_and_one_that_is_certainly_wrong(post: Post) -> None:
    post.machine.standing = ClockStatus.UNSYNCED
    assert post.bad()["clock_unsynced"].how.startswith("sudo timedatectl set-ntp true")

    post.machine.now = datetime(2019, 1, 1, tzinfo=UTC)
    wrong = post.bad()["clock_wrong"]
    assert (wrong.severity, wrong.action) == ("error", "configure")
    assert "2019-01-01" in wrong.text
    assert "timedatectl set-time" in wrong.how


def test_a_port_is_missing_forbidden_or_held(post: Post, machine: StagedHost, own: Own) -> None:
    port = machine.folder / "dev/ttyUSB0"
    own(post.state_dir, NOBODY.pw_uid, -1)
    machine.write(
        "proc/4711/status",
        f"Name: gateway\nUid:\t{NOBODY.pw_uid}\t{NOBODY.pw_uid}\nGid:\t65534\t65534\nGroups:\nCapEff:\t0",
    )
    own(port, 0, 20)
    machine.process(712, "ModemManager", holds=port)
    machine.process(713, "lane-1/reader", holds=port)  # the gateway's own worker

    bad = post.bad()
    assert "nobody, which may not open" in bad["no_permission"].text
    assert "the group dialout is missing" in bad["no_permission"].text
    assert bad["no_permission"].how.startswith("sudo borderpost udev --install")
    assert bad["port_held"].text == f"ModemManager (pid 712) holds {port}."
    assert bad["port_held"].how == "sudo systemctl mask --now ModemManager"

    port.unlink()
    bad = post.bad()
    assert bad["no_device"].text == "Nothing is plugged in at /dev/ttyUSB0."
    assert "no_permission" not in bad


def test_usb_scanners_are_found_forbidden_ambiguous_and_badly_fed(
    post: Post, machine: StagedHost, own: Own
) -> None:
    post.devices = FINGER
    (machine.folder / "run/udev/control").unlink()
    assert post.bad()["no_device"].subject == "lane-1/finger"
    assert "systemd-udevd" in post.bad()["no_udev"].how

    machine.plug("usb1", "1d6b:0002", 1, bDeviceClass="09")
    machine.plug("1-1", "05e3:0608", 2, bDeviceClass="09")
    scanner = machine.plug("1-1.2", "05ba:000a", 3, bMaxPower="500mA", product="U.are.U", mode=0o600)
    machine.write("sys/bus/usb/devices/1-1.2/power/control", "auto")
    machine.write("sys/bus/usb/devices/1-1.2/power/runtime_status", "suspended")
    own(post.state_dir, NOBODY.pw_uid, -1)
    machine.write("proc/locks", "")
    bad = post.bad()
    assert "U.are.U at 1-1.2 asks for 500 mA" in bad["usb_power"].text
    assert bad["usb_power"].subject == "lane-1/finger"
    assert str(scanner / "power/control") in bad["usb_asleep"].how
    assert bad["no_permission"].how.startswith("sudo borderpost udev --install")

    machine.plug("1-2", "05ba:000a", 4, serial="A2")
    ambiguous = post.bad()["ambiguous"]
    assert "A2 at 1-2" in ambiguous.text
    assert "usb:05BA:000A@1-1.2" in ambiguous.how


def test_a_bus_as_umockdev_has_it_is_read(tmp_path: Path) -> None:
    scanner = usb_scanner("4500")
    tree = Tree(tmp_path / "bus")
    node = tree.add(scanner, 2, 5)

    root, device = list_usb_devices(HostView(sys=tree.root / "sys", dev=tree.root / "dev"))
    assert (root.socket, root.hub, root.parent) == ("usb1", True, "")
    assert (device.socket, device.parent, device.vendor, device.product) == ("1-2", "usb1", "05ba", "000a")
    assert f"/{device.node.relative_to(tree.root)}" == node
    assert matching_devices("usb:05BA:000A", [root, device]) == [device]
    scanner.close()


def test_a_driver_without_its_libraries(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.devices = FINGER
    gone = unavailable_driver("uru4000", "numpy", "borderpost-gateway", "fingerprint")
    for module in ("gateway.config.loader", "gateway.diagnostics.checks.libraries"):
        monkeypatch.setattr(
            f"{module}.load_driver", lambda name: gone if name == "uru4000" else load_driver(name)
        )

    assert 'pip install "borderpost-gateway[fingerprint]"' in post.bad()["missing_extra"].how


def test_a_licence_is_told_before_it_ends(post: Post) -> None:
    post.devices += "licence_ends = 2026-06-30\n"
    for day, severity in (("2026-04-01", "ok"), ("2026-06-10", "warning"), ("2026-07-01", "error")):
        post.machine.now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        licence = [it for code, it in post.findings().items() if code.startswith("licence_")]
        assert [it.severity for it in licence] == ([] if severity == "ok" else [severity])


def test_smart_cards_and_trust_stores(post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PCSCLITE_CSOCK_NAME", raising=False)
    chip = '[device."lane-1/reader".chip]\nreader = "ACS"\n'
    bare = post.devices
    post.devices = bare + chip
    bad = post.bad()
    assert "pcscd.socket" in bad["no_pcscd"].how
    assert bad["no_trust_store"].severity == "warning"

    trust = tmp_path / "trust"
    trust.mkdir()
    post.devices = bare + chip + f'trust = ["{trust}"]\n'
    assert post.bad()["no_trust_store"].severity == "error"
    (trust / "ut.pem").write_bytes(Authority(tmp_path / "pki", "utopia").file.read_bytes())
    assert {"no_trust_store", "trust_expired"} & post.bad().keys() == set()
    post.machine.now = datetime.now(UTC) + timedelta(days=3)
    assert "All 1 states' certificates" in post.bad()["trust_expired"].text


@pytest.mark.parametrize(
    ("days", "severity"),
    [(-1, "error"), (6.5, "error"), (29.5, "warning"), (59.5, "notice"), (61, "ok")],
)
def test_certificates_are_told_before_they_run_out(
    post: Post, tmp_path: Path, days: float, severity: str
) -> None:
    authority = Authority(tmp_path / "pki")
    file = authority.issue("gw-1", days)
    post.broker += f'[hq]\nhost = "127.0.0.1"\nport = 1\n[hq.tls]\ncert_file = "{file}"\n'
    post.broker += f'key_file = "{file.with_suffix(".key")}"\n'

    findings = post.findings()

    told = findings["certificate_expired" if days < 0 else "certificate_expires"]
    assert told.severity == severity
    if severity != "ok":
        assert "the gateway's certificate for [hq] expire" in told.text.lower().replace(
            "the gateway", "the gateway"
        )
        assert str(file) in told.how
    assert findings["broker_unreachable"].severity == "warning"

    other = authority.issue("other", days).with_suffix(".key")
    file.with_suffix(".key").write_bytes(other.read_bytes())
    assert "does not belong" in post.bad()["key_mismatch"].text


def test_brokers_that_refuse_are_expired_or_strangers(post: Post, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    Authority(tmp_path / "pki", "stranger")
    served = authority.issue("broker", days=20)
    listener = (f"certfile {served}", f"keyfile {served.with_suffix('.key')}")
    with Mosquitto(users={"gw-1": "right"}, listener=listener) as secured:
        secret = tmp_path / "password"
        secret.write_text("wrong\n")
        secret.chmod(0o600)
        post.broker = (
            f'[broker]\nhost = "127.0.0.1"\nport = {secured.port}\n'
            f'username = "gw-1"\npassword_file = "{secret}"\n'
            f'[broker.tls]\nca_file = "{authority.file}"\n'
        )
        bad = post.bad()
        assert "does not let this gateway in: Not authorized" in bad["broker_refuses"].text
        # The authority ends tomorrow, its broker's certificate in three weeks.
        assert {bad["certificate_expires"].severity} == {"error"}
        secret.write_text("right\n")
        assert "broker_refuses" not in post.bad()
        post.broker = post.broker.replace("ca.crt", "stranger.crt")
        assert "ca_file" in post.bad()["broker_untrusted"].how
    assert "Connection refused" in post.bad()["broker_unreachable"].text


def test_a_ups_on_its_battery(post: Post, machine: StagedHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine.nut = server.getsockname()
        answers = iter(
            [
                'BEGIN LIST UPS\nUPS cabinet "in the cabinet"\nEND LIST UPS\n',
                'BEGIN LIST VAR cabinet\nVAR cabinet battery.charge "41"\nVAR cabinet battery.runtime "600"\n'
                'VAR cabinet ups.status "OB DISCHRG"\nEND LIST VAR cabinet\n',
            ]
        )

        def upsd() -> None:
            line, _ = server.accept()
            with line, line.makefile("rw", newline="\n") as asked:
                for answer in answers:
                    asked.readline()
                    asked.write(answer)
                    asked.flush()

        thread = threading.Thread(target=upsd)
        thread.start()
        bad = post.bad()
        thread.join()
    assert bad["ups_on_battery"].text == "The UPS cabinet runs on its battery (41 %, 10 min left)."


def test_a_broken_file_is_explained_and_the_machine_looked_at(post: Post) -> None:
    post.devices = READER.format(port="ttyUSB0")
    post.machine.write("proc/vmstat", "oom_kill 1")

    bad = post.bad()

    assert "neither usb:VID:PID[:SERIAL] nor an absolute path" in bad["config_wrong"].text
    assert f"{post.file}:12" in bad["config_wrong"].text
    assert "memory_killed" in bad


def test_the_command_line_tells_the_worst_by_its_exit_code(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.findings()
    monkeypatch.setattr("gateway.diagnostics.doctor.Surroundings", lambda: post.machine.host_view)
    runner = CliRunner()

    assert runner.invoke(app, ["doctor", str(post.file)]).exit_code == 0
    post.machine.write("proc/vmstat", "oom_kill 1")
    assert runner.invoke(app, ["doctor", str(post.file)]).exit_code == 1
    (post.machine.folder / "dev/ttyUSB0").unlink()
    said = runner.invoke(app, ["doctor", str(post.file)])
    assert said.exit_code == 3
    assert said.stdout.startswith(
        "error   lane-1/reader: Nothing is plugged in at /dev/ttyUSB0. [BP-NO-DEVICE-"
    )
    assert "\n        replug: " in said.stdout
    as_json = json.loads(runner.invoke(app, ["doctor", str(post.file), "--json"]).stdout)
    assert [item["code"] for item in as_json if item["severity"] != "ok"] == ["no_device", "memory_killed"]


def test_a_code_that_was_misheard_is_noticed() -> None:
    assert phone_code("port_held") == "BP-PORT-HELD-" + phone_code("port_held")[-2:]
    codes = ["port_held", "port_hell", "no_device", "no_devise", "clock_wrong", "disk_full"]
    assert len({phone_code(code)[-2:] for code in codes}) == len(codes)


def test_a_production_broker_that_takes_anything_from_anybody_is_told(post: Post) -> None:
    assert "broker_acl_missing" not in post.bad(), "a test's broker may be open"
    post.head = post.head.replace('"test"', '"production"')
    assert "it has no access list" in post.bad()["broker_acl_missing"].text
    with Mosquitto(acl="topic readwrite bgw/v1/uto-test/_gw/gw-1/state\n") as guarded:
        post.broker = f'[broker]\nhost = "127.0.0.1"\nport = {guarded.port}\n'
        assert not {"broker_acl_missing", "broker_refuses"} & post.bad().keys()
