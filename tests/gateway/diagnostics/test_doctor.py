"""The doctor on staged machines, beside real brokers: every fault found with a remedy, no false alarm."""

import base64
import json
import os
import pwd
import socket
import ssl
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
from simulators.passport.seals.authority import BarcodeAuthority
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
    """File of a post, and the doctor's findings about it."""

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
        """Return findings by code, the highest severity of each."""
        self.file.write_text(self.head + self.broker + self.devices)
        told = run_doctor(self.file, host=self.machine.host_view)
        return {finding.code: finding for finding in reversed(told)}

    def bad(self) -> dict[str, Finding]:
        return {code: finding for code, finding in self.findings().items() if finding.severity != "ok"}


Own = Callable[[Path, int, int], None]
"""Change user and group of a file, by their numbers; -1 keeps one."""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Own:
    """Only root may change owners; for other users the owner in stat(2) is replaced."""
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


def test_healthy_post_has_no_bad_findings(post: Post) -> None:
    findings = post.findings()

    assert post.bad() == {}
    assert {"broker_refuses", "clock_unsynced", "disk_low", "memory_low", "too_hot"} <= findings.keys()
    assert findings["gateway_down"].text == "The gateway is running (pid 4711)."


@pytest.mark.parametrize(
    ("file", "said", "code", "text", "how"),
    [
        ("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 51200 kB", "memory_low", "50 MiB", "ps -eo"),
        ("proc/vmstat", "oom_kill 3", "out_of_memory_kill", "3 processes", "journalctl -k"),
        ("sys/class/thermal/thermal_zone0/temp", 84000, "too_hot", "84 °C", "dust"),
        ("sys/block/mmcblk0/device/life_time", "0x01 0x0a", "disk_worn", "over 90 %", "replacement"),
        ("sys/class/rtc/rtc0/since_epoch", 946684800, "clock_rtc", "differs", "battery"),
        ("proc/712/comm", "ModemManager", "conflicting_service", "ModemManager", "mask --now ModemManager"),
        (f"{ROOT_HUB}/usb1-port2/over_current_count", 2, "usb_over_current", "usb1-port2", "supply"),
        ("proc/locks", "", "gateway_down", "not running", "systemctl start borderpost"),
    ],
)  # fmt: skip
def test_kernel_facts_become_findings(
    post: Post, file: str, said: object, code: str, text: str, how: str
) -> None:
    post.machine.write(file, said)

    bad = post.bad()

    assert list(bad) == [code]
    assert text in bad[code].text
    assert how in bad[code].how
    assert bad[code].action != "none"


def test_kernel_log_shows_bad_cable_and_disk(post: Post, machine: StagedHost) -> None:
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


def test_wrong_baud_rate_from_port_counters(post: Post, machine: StagedHost) -> None:
    machine.write("dev/ttyS1", "")
    post.devices = READER.format(port="/dev/ttyS1")
    table = (
        "serinfo:1.0 driver revision:\n0: uart:unknown port:000003F8 irq:4\n1: uart:16550A irq:3 tx:9 rx:{}"
    )
    machine.write("proc/tty/driver/serial", table.format("9000 fe:2 RTS|DTR"))
    assert "baud_rate_mismatch" not in post.bad()

    machine.write("proc/tty/driver/serial", table.format("90 fe:41 oe:2 RTS|DTR"))
    assert (
        "ttyS1 has counted 41 framing and parity errors in 90 bytes" in post.bad()["baud_rate_mismatch"].text
    )
    assert post.bad()["port_overrun"].severity == "notice"


def test_failing_disk(post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with the output of smartctl 7.4: the disk of a test machine reports nothing."""
    post.machine.write("sys/block/sda/size", 1000)
    program = tmp_path / "bin/smartctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho \'{"smart_status": {"passed": false}}\'\nexit 8\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    assert "smartctl -a /dev/sda" in post.bad()["disk_failing"].how


def test_file_readable_only_by_caller(post: Post, machine: StagedHost, own: Own, tmp_path: Path) -> None:
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


def test_failed_check_hides_no_other_finding(post: Post, machine: StagedHost) -> None:
    machine.write("proc/vmstat", "oom_kill many")
    machine.write("sys/class/thermal/thermal_zone0/temp", 84000)

    bad = post.bad()
    assert "ValueError at memory_and_heat.py:" in bad["check_failed"].text
    assert "too_hot" in bad


def test_unsynchronized_and_wrong_clock(post: Post) -> None:
    post.machine.clock_status = ClockStatus.UNSYNCED
    assert post.bad()["clock_unsynced"].how.startswith("sudo timedatectl set-ntp true")

    post.machine.now = datetime(2019, 1, 1, tzinfo=UTC)
    wrong = post.bad()["clock_wrong"]
    assert (wrong.severity, wrong.action) == ("error", "configure")
    assert "2019-01-01" in wrong.text
    assert "timedatectl set-time" in wrong.how


def test_port_missing_forbidden_or_held(post: Post, machine: StagedHost, own: Own) -> None:
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
    assert "not a member of the group dialout" in bad["no_permission"].text
    assert bad["no_permission"].how.startswith("sudo borderpost udev --install")
    assert bad["port_held"].text == f"ModemManager (pid 712) holds {port}."
    assert bad["port_held"].how == "sudo systemctl mask --now ModemManager"

    port.unlink()
    bad = post.bad()
    assert bad["no_device"].text == "No device is plugged in at /dev/ttyUSB0."
    assert "no_permission" not in bad


def test_port_held_by_another_position(post: Post, machine: StagedHost, own: Own) -> None:
    port = machine.folder / "dev/ttyUSB0"
    own(port, 0, 20)
    machine.process(790, "forkserver", parent=780)
    machine.process(713, "lane-2/reader", holds=port, parent=790)

    held = post.bad()["port_held"]
    assert held.text == f"The gateway has {port} open for lane-2/reader (pid 713)."
    assert held.how.startswith("Both positions lead to this device: correct the address of one of them")


def test_usb_scanners_have_findings(post: Post, machine: StagedHost, own: Own) -> None:
    post.devices = FINGER
    (machine.folder / "run/udev/control").unlink()
    assert post.bad()["no_device"].subject == "lane-1/finger"
    assert "systemd-udevd" in post.bad()["udev_rules_missing"].how

    machine.plug("usb1", "1d6b:0002", 1, bDeviceClass="09")
    machine.plug("1-1", "05e3:0608", 2, bDeviceClass="09")
    scanner = machine.plug("1-1.2", "05ba:000a", 3, bMaxPower="500mA", product="U.are.U", mode=0o600)
    machine.write("sys/bus/usb/devices/1-1.2/power/control", "auto")
    machine.write("sys/bus/usb/devices/1-1.2/power/runtime_status", "suspended")
    own(post.state_dir, NOBODY.pw_uid, -1)
    machine.write("proc/locks", "")
    bad = post.bad()
    assert "U.are.U at 1-1.2 needs 500 mA" in bad["usb_power"].text
    assert bad["usb_power"].subject == "lane-1/finger"
    assert str(scanner / "power/control") in bad["usb_autosuspend"].how
    assert bad["no_permission"].how.startswith("sudo borderpost udev --install")

    machine.plug("1-2", "05ba:000a", 4, serial="A2")
    ambiguous = post.bad()["address_ambiguous"]
    assert "A2 at 1-2" in ambiguous.text
    assert "usb:05BA:000A@1-1.2" in ambiguous.how


def test_umockdev_bus_is_read(tmp_path: Path) -> None:
    scanner = usb_scanner("4500")
    tree = Tree(tmp_path / "bus")
    node = tree.add(scanner, 2, 5)

    root, device = list_usb_devices(HostView(sys=tree.root / "sys", dev=tree.root / "dev"))
    assert (root.socket, root.hub, root.parent) == ("usb1", True, "")
    assert (device.socket, device.parent, device.vendor, device.product) == ("1-2", "usb1", "05ba", "000a")
    assert f"/{device.node.relative_to(tree.root)}" == node
    assert matching_devices("usb:05BA:000A", [root, device]) == [device]
    scanner.close()


def test_driver_without_libraries(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.devices = FINGER
    gone = unavailable_driver("uru4000", "numpy", "borderpost-gateway", "fingerprint")
    for module in ("gateway.config.loader", "gateway.diagnostics.checks.libraries"):
        monkeypatch.setattr(
            f"{module}.load_driver", lambda name: gone if name == "uru4000" else load_driver(name)
        )

    assert "install -e '.[fingerprint]'" in post.bad()["missing_extra"].how


def test_licence_expiry_is_reported(post: Post) -> None:
    post.devices += "licence_expires = 2026-06-30\n"
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

    library = "/usr/lib/x86_64-linux-gnu/libpcsclite.so.1"
    for pid, name, command in (
        (713, "scdaemon", "scdaemon"),
        (714, "lane-1/reader", "python\0-m\0borderpost"),
    ):
        post.machine.process(pid, name)
        post.machine.write(f"proc/{pid}/stat", f"{pid} ({name}) S 1 1 1 0")
        post.machine.write(f"proc/{pid}/maps", library)
        post.machine.write(f"proc/{pid}/cmdline", command)
    post.machine.write("sys/bus/usb/drivers/pn533_usb/1-1:1.0/uevent", "")
    bad = post.bad()
    assert bad["slot_shared"].text.startswith("scdaemon (pid 713) uses the smart card service too")
    assert "pn533_usb has taken the chip reader at USB socket 1-1" in bad["port_held"].text
    assert "modprobe -r pn533_usb" in bad["port_held"].how

    trust = tmp_path / "trust"
    trust.mkdir()
    post.devices = bare + chip + f'trust = ["{trust}"]\n'
    assert post.bad()["no_trust_store"].severity == "error"
    (trust / "ut.pem").write_bytes(Authority(tmp_path / "pki", "utopia").file.read_bytes())
    assert {"no_trust_store", "trust_store_expired"} & post.bad().keys() == set()
    post.machine.now = datetime.now(UTC) + timedelta(days=3)
    assert "All 1 states' certificates" in post.bad()["trust_store_expired"].text


def test_lists_of_health_signers_age(post: Post, tmp_path: Path) -> None:
    place = tmp_path / "health"
    place.mkdir()
    reader = post.devices.replace('framing = "text"', 'framing = "accessis"')
    post.devices = reader + f'[device."lane-1/reader".barcodes]\nhealth_signers = ["{place}"]\n'
    assert post.bad()["no_health_signers"].severity == "error"

    authority = Authority(tmp_path / "pki", "utopia")
    issued = base64.b64encode(ssl.PEM_cert_to_DER_cert(authority.file.read_text())).decode()
    listed = {"issued": "2026-06-01T00:00:00Z", "certificates": [{"kid": "AAAAAAAAAAA=", "rawData": issued}]}
    (place / "list.json").write_text(json.dumps(listed))
    for day, severity in (("2026-06-15", None), ("2026-06-25", "warning"), ("2026-07-15", "error")):
        post.machine.now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        found = post.bad().get("health_list_outdated")
        assert (found.severity if found else None) == severity
    post.machine.now = datetime(2026, 5, 1, tzinfo=UTC)
    assert "is dated 2026-06-01, in the future" in post.bad()["health_list_date_wrong"].text


def test_seal_signers_are_watched(post: Post, tmp_path: Path) -> None:
    authority = BarcodeAuthority()
    authority.write(tmp_path)
    signers = tmp_path / "seal-signers"
    reader = post.devices.replace('framing = "text"', 'framing = "accessis"')
    post.devices = reader + f'[device."lane-1/reader".barcodes]\nsigners = ["{signers}"]\n'
    assert "signers of seals" in post.findings()["no_seal_signers"].text
    assert {code for code in post.bad() if "seal_signers" in code} == set()

    (signers / "page.html").write_text("<html>Log in</html>")
    assert "page.html: this is a web page" in post.bad()["seal_signers_invalid"].text
    (signers / "signers.pem").unlink()
    assert post.bad()["no_seal_signers"].severity == "error"

    authority.write(tmp_path)
    post.machine.now = datetime.now(UTC) + timedelta(days=11 * 365)
    assert "All 1 signers' certificates" in post.bad()["seal_signers_expired"].text


@pytest.mark.parametrize(
    ("days", "severity"),
    [(-1, "error"), (6.5, "error"), (29.5, "warning"), (59.5, "notice"), (61, "ok")],
)
def test_certificate_expiry_is_reported(post: Post, tmp_path: Path, days: float, severity: str) -> None:
    authority = Authority(tmp_path / "pki")
    file = authority.issue("gw-1", days)
    post.broker += f'[hq]\nhost = "127.0.0.1"\nport = 1\n[hq.tls]\ncert_file = "{file}"\n'
    post.broker += f'key_file = "{file.with_suffix(".key")}"\n'

    findings = post.findings()

    told = findings["certificate_expired" if days < 0 else "certificate_expires_soon"]
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


def test_broker_failures_are_told_apart(post: Post, tmp_path: Path) -> None:
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
        assert "rejects this gateway: Not authorized" in bad["broker_refuses"].text
        # The authority expires tomorrow, its broker's certificate in three weeks.
        assert {bad["certificate_expires_soon"].severity} == {"error"}
        secret.write_text("right\n")
        assert "broker_refuses" not in post.bad()
        post.broker = post.broker.replace("ca.crt", "stranger.crt")
        assert "ca_file" in post.bad()["broker_untrusted"].how
    assert "Connection refused" in post.bad()["broker_unreachable"].text


def test_ups_on_battery(post: Post, machine: StagedHost) -> None:
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


def test_invalid_file_is_explained(post: Post) -> None:
    post.devices = READER.format(port="ttyUSB0")
    post.machine.write("proc/vmstat", "oom_kill 1")

    bad = post.bad()

    assert "neither usb:VID:PID[:SERIAL] nor an absolute path" in bad["config_wrong"].text
    assert f"{post.file}:12" in bad["config_wrong"].text
    assert "out_of_memory_kill" in bad


def test_doctor_exit_code(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.findings()
    monkeypatch.setattr("gateway.diagnostics.doctor.HostView", lambda: post.machine.host_view)
    runner = CliRunner()

    assert runner.invoke(app, ["doctor", str(post.file)]).exit_code == 0
    post.machine.write("proc/vmstat", "oom_kill 1")
    assert runner.invoke(app, ["doctor", str(post.file)]).exit_code == 1
    (post.machine.folder / "dev/ttyUSB0").unlink()
    said = runner.invoke(app, ["doctor", str(post.file)])
    assert said.exit_code == 3
    assert said.stdout.startswith(
        "error   lane-1/reader: No device is plugged in at /dev/ttyUSB0. [BP-NO-DEVICE-"
    )
    assert "\n        replug: " in said.stdout
    as_json = json.loads(runner.invoke(app, ["doctor", str(post.file), "--json"]).stdout)
    assert [item["code"] for item in as_json if item["severity"] != "ok"] == [
        "no_device",
        "out_of_memory_kill",
    ]


def test_misheard_phone_code_is_detected() -> None:
    assert phone_code("port_held") == "BP-PORT-HELD-" + phone_code("port_held")[-2:]
    codes = ["port_held", "port_hell", "no_device", "no_devise", "clock_wrong", "disk_full"]
    assert len({phone_code(code)[-2:] for code in codes}) == len(codes)


def test_broker_without_acl_in_production(post: Post) -> None:
    assert "broker_acl_missing" not in post.bad(), "a test's broker may be open"
    post.head = post.head.replace('"test"', '"production"')
    assert "has no access control list" in post.bad()["broker_acl_missing"].text
    with Mosquitto(acl="topic readwrite bgw/v1/uto-test/_gw/gw-1/state\n") as guarded:
        post.broker = f'[broker]\nhost = "127.0.0.1"\nport = {guarded.port}\n'
        assert not {"broker_acl_missing", "broker_refuses"} & post.bad().keys()
