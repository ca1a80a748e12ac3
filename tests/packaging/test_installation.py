"""Consistency of the installed files: units, udev rules, and the files that they name."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli.demo import FILES
from gateway.cli.simulate import simulate
from gateway.config import ConfigError, load
from gateway.contract.states import KeyStorage
from gateway.diagnostics.udev_rules import (
    LATE_RULES_FILE,
    POST_RULES_FILE,
    driver_rules,
    late_post_rules,
    post_rules,
)

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = {"borderpost.service": "", "borderpost-key.service": "", "mosquitto.service": "mosquitto.service.d"}
REACHING_CALLS = {
    "memory": {"process_vm_readv", "process_vm_writev", "process_madvise", "ptrace", "kcmp", "userfaultfd"},
    "descriptors": {"pidfd_getfd", "open_by_handle_at", "name_to_handle_at"},
    "queues": {"io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_submit"},
    "keyrings": {"keyctl", "add_key", "request_key"},
    "namespaces": {"unshare", "setns", "mount", "fsopen", "move_mount", "open_tree", "pivot_root", "chroot"},
    "accounts": {"setuid", "setresuid", "setgid", "setregid", "setresgid", "setgroups", "setfsgid"},
    "shared": {"shmget", "shmat", "semget", "semop", "msgget", "msgsnd", "mq_open", "mq_unlink"},
    "kernel": {"bpf", "perf_event_open", "init_module", "finit_module", "kexec_load", "reboot", "syslog"},
    "programs": {"execveat", "remap_file_pages", "modify_ldt", "iopl", "ioperm"},
}
"""Calls by which a process reaches memory, files, accounts or the kernel beyond its own, by kind."""
DEBIAN_MOSQUITTO = """
[Service]
Type=notify
ExecStart=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf
"""


def _systemd() -> int:
    """Return the version of systemd, if it can analyse units here; 0 without it."""
    if shutil.which("systemd-analyze") is None:
        return 0
    told = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[1])


@pytest.mark.skipif(_systemd() < 257, reason="the units use settings that Debian 13's systemd supports")
@pytest.mark.skipif(
    os.getuid() != 0 and not Path("/run/systemd").is_dir(),
    reason="systemd-analyze needs /run/systemd, which only root can make where systemd does not run",
)
def test_no_unit_is_exposed(tmp_path: Path) -> None:
    """Each has at most 14 of 100, which systemd's own scale rates as well confined.

    Debian's unit for Mosquitto has 94.
    """
    for unit, drop_in in UNITS.items():
        if drop_in:
            (tmp_path / unit).write_text(DEBIAN_MOSQUITTO)
            shutil.copytree(SYSTEMD / drop_in, tmp_path / drop_in)
        else:
            shutil.copy(SYSTEMD / unit, tmp_path)
        said = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=14", tmp_path / unit],
            check=False,
            capture_output=True,
            text=True,
        )
        assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.skipif(_systemd() < 257, reason="the sets of calls are those of Debian 13's systemd")
@pytest.mark.parametrize("kind", REACHING_CALLS)
def test_unit_denies_unused_calls(kind: str) -> None:
    """Check what `@system-service` leaves open, and no part of the gateway calls."""
    permitted = _permitted_calls(SYSTEMD / "borderpost.service")
    assert {"openat", "clone3", "landlock_restrict_self", "prctl"} <= permitted
    assert REACHING_CALLS[kind] & permitted == set()


@functools.cache
def _call_sets() -> dict[str, set[str]]:
    """Return systemd's named sets of calls; a set may name other sets."""
    told = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True)
    sets: dict[str, set[str]] = {}
    for line in told.stdout.splitlines():
        if line.startswith("@"):
            members = sets[line.strip()] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.add(line.strip())
    return sets


def _calls(word: str) -> set[str]:
    return {call for each in _call_sets()[word] for call in _calls(each)} if word[0] == "@" else {word}


def _permitted_calls(unit: Path) -> set[str]:
    """Return the calls that a unit's filters leave open, as systemd combines them: later lines win."""
    permitted = _calls("@default")
    for denied, words in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit.read_text(), re.MULTILINE):
        calls = {call for word in words.split() for call in _calls(word)}
        permitted = permitted - calls if denied else permitted | calls
    return permitted


def test_installed_rules_match_drivers() -> None:
    rules = driver_rules()
    assert (SYSTEMD / "60-borderpost.rules").read_text() == rules
    assert 'ATTR{idVendor}=="05ba", ATTR{idProduct}=="000a", GROUP="borderpost"' in rules
    assert 'ATTR{idVendor}=="298d", ATTR{idProduct}=="1010", GROUP="borderpost"' in rules


def test_each_device_gets_rules_and_name(tmp_path: Path) -> None:
    post = tmp_path / "post.toml"
    devices = {
        "lane-1/reader": "usb:0DB5:0137:A0012345",
        "lane-2/reader": "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0",
        "lane-4/reader": '/dev/serial/by-id/x"*',
    }
    tables = [
        f"[device.\"{at}\"]\ndriver = 'mrz-serial'\nframing = 'text'\nport = '{port}'\n"
        for at, port in devices.items()
    ]
    tables.append("[device.\"lane-5/reader\"]\ndriver = 'mrz-hid'\nport = 'usb:0DB5:013E'\n")
    tables.append("[device.\"lane-3/finger\"]\ndriver = 'uru4000'\nport = 'usb:05BA:000A@1-4.2'\n")
    head = "[gateway]\nsite = 'ke-busia'\nname = 'gw-1'\nprofile = 'test'\nstate_dir = 'state'\n"
    post.write_text(head + "[broker]\nhost = '127.0.0.1'\n" + "".join(tables))
    rules, late = post_rules(load(post).devices), late_post_rules(load(post).devices)

    tty = next(line for line in rules.splitlines() if line.startswith('SUBSYSTEM=="tty"'))
    for said in (
        'ATTRS{idVendor}=="0db5", ATTRS{idProduct}=="0137", ATTRS{serial}=="A0012345"',
        'GROUP="borderpost", MODE="0660"',
        'SYMLINK+="borderpost/lane-1/reader"',
        'ENV{ID_MM_DEVICE_IGNORE}="1"',
    ):
        assert said in tty
    (raw,) = (line for line in rules.splitlines() if line.startswith('SUBSYSTEM=="hidraw"'))
    for said in ('ATTRS{idProduct}=="013e"', 'GROUP="borderpost", MODE="0660"', "borderpost/lane-5/reader"):
        assert said in raw
    assert 'SYMLINK=="serial/by-path/pci-0000:00:14.0-usb-0:2:1.0", GROUP="borderpost"' in rules
    assert 'ATTR{idProduct}=="000a", KERNEL=="1-4.2", GROUP="borderpost"' in rules
    assert (
        "by-id/x" not in rules
    )  # characters with a special meaning in udev are not accepted from a post's file
    assert "# lane-4/reader: port has characters" in rules
    assert late.count('ENV{SYSTEMD_WANTS}=""') == 4
    assert 'ATTR{idVendor}=="0db5", ATTR{idProduct}=="0137", ATTR{serial}=="A0012345", ENV{SYST' in late
    assert 'IMPORT{builtin}="path_id", ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:2", ENV{SYST' in late
    assert "by-id/x" not in late


def test_unconfigured_post_starts_no_device(tmp_path: Path) -> None:
    text = (SYSTEMD / "post.toml").read_text()
    post = tmp_path / "post.toml"
    post.write_text(text)
    unnamed = load(post, {})
    assert not unnamed.gateway.is_named
    assert unnamed.encryption.credential == "outbox.key"

    with_device = "\n".join(
        line.removeprefix("# ") if line.startswith(("# [device", "# driver", "# port", "# framing")) else line
        for line in text.splitlines()
    )
    post.write_text(with_device)
    assert not load(post, {}).devices
    post.write_text(with_device.replace("xx-unnamed", "ke-busia"))
    assert [str(position) for position in load(post, {}).devices] == ["lane-1/reader"]
    post.write_text(text.replace("xx-unnamed", "ke-busia"))
    with pytest.raises(ConfigError, match="the section is missing"):
        load(post, {})


def test_service_gets_generated_key() -> None:
    unit = (SYSTEMD / "borderpost.service").read_text()
    maker = (SYSTEMD / "make-key").read_text()
    assert "ImportCredential=borderpost.outbox.key:outbox.key" in unit
    assert "/etc/credstore.encrypted/borderpost.outbox.key" in maker
    assert "--name=outbox.key" in maker
    words = re.findall(r"^seal (\S+) (\w+)|\|\| seal (\S+) (\w+)", maker, re.MULTILINE)
    assert words == [("host+tpm2", KeyStorage.TPM, "", ""), ("", "", "host", KeyStorage.MACHINE)]
    (made,) = re.findall(r"ConditionPathExists=!(.*)", (SYSTEMD / "borderpost-key.service").read_text())
    assert f"key={made}" in maker


def test_missing_simulators_have_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.cli._lib.terminal.find_spec", lambda _: None)
    monkeypatch.setattr("sys.prefix", "/opt/borderpost")
    with pytest.raises(SystemExit) as ended:
        simulate(Path("post.toml"))
    assert ended.value.code == os.EX_UNAVAILABLE
    assert "borderpost-training" in capsys.readouterr().err


def test_training_package_has_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's files are where the demo reads them, and in no other package."""
    monkeypatch.syspath_prepend(SYSTEMD / "deb")
    spec = importlib.util.spec_from_file_location("deb_build", SYSTEMD / "deb/build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    gateway, training = (tmp_path / name / build.SITE for name in ("gateway", "training"))
    place = FILES.relative_to(SYSTEMD.parent)
    shutil.copytree(FILES, gateway / place)
    training.mkdir(parents=True)
    build._examples(tmp_path / "gateway", tmp_path / "training")
    assert {file.name for file in (training / place).iterdir()} == {file.name for file in FILES.iterdir()}
    assert not (gateway / place).exists()


def test_packaged_versions_are_tested() -> None:
    """The same versions, in another selection."""
    pinned = re.compile(r"^([a-z0-9-]+==[^ ;\\]+)", re.MULTILINE)
    packaged = set(pinned.findall((SYSTEMD / "deb/requirements.txt").read_text()))
    tested = set(pinned.findall((SYSTEMD.parent / "requirements-dev.txt").read_text()))
    assert len(packaged) > 40
    assert packaged <= tested


def test_installed_files_exist_and_scripts_parse() -> None:
    named = re.search(
        r"^PLACES = \{(.*?)^\}", (SYSTEMD / "deb/build.py").read_text(), re.MULTILINE | re.DOTALL
    )
    assert named is not None
    sources = re.findall(r'^    "([^"]+)": ', named[1], re.MULTILINE)
    assert len(sources) > 15
    assert [source for source in sources if not (SYSTEMD / source).exists()] == []
    scripts = [SYSTEMD / "make-key", *(SYSTEMD / "deb").glob("*/p*inst"), *(SYSTEMD / "deb").glob("*/p*rm")]
    assert len(scripts) == 4
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)


def test_purge_removes_rules_of_post() -> None:
    purge = (SYSTEMD / "deb/gateway/postrm").read_text().partition("purge)")[2]
    for file in (POST_RULES_FILE, LATE_RULES_FILE):
        assert str(file) in purge


MODULES = {
    "ttyUSB": "usbserial",
    "ttyACM": "cdc_acm",
    "input": "evdev",
    "hidraw": "hid",
    "video4linux": "videodev",
}
"""Modules that register kinds of device nodes, in Debian's kernel."""
BUILT_IN = {"usb_device", "ttyS", "gpiochip", "rtc"}


def test_modules_of_devices_are_loaded() -> None:
    """DeviceAllow= leaves a kind out that the kernel does not have when the service starts."""
    unit = (SYSTEMD / "borderpost.service").read_text()
    loaded = (SYSTEMD / "borderpost.modules-load").read_text().splitlines()
    kinds = set(re.findall(r"^DeviceAllow=char-(\w+)", unit, re.MULTILINE))
    assert kinds <= MODULES.keys() | BUILT_IN
    assert {MODULES[kind] for kind in kinds - BUILT_IN} <= set(loaded)
