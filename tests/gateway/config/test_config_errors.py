"""Mistakes in a post's file, and the messages for its author."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section

from gateway.config import ConfigError, ConfigIssue, load

GATEWAY = gateway_section()
PRODUCTION = gateway_section(profile="production")
BROKER = """
[broker]
host = "127.0.0.1"
"""
DEVICE = """
[device."lane-1/reader"]
driver = "kivu"
port = "usb:0DB5:0137:A1"
"""


CAMERA = '[device."lane-1/camera"]\ndriver = "camera-snapshot"\nurl = "https://192.0.1.9"\npath = "/1.jpg"\n'


@dataclass(frozen=True)
class Broken:
    """A file, and its one expected mistake."""

    name: str
    file: str
    key: str
    text: str
    remedy: str


TABLE = (
    # The whole file, and its form.
    Broken(
        "empty device table", GATEWAY + BROKER + "[device] #!", "device", "without devices", '"lane-1/reader"'
    ),
    Broken(
        "devices are a text", '#\ndevice = "x" #!\n' + GATEWAY + BROKER, "device", "not a table", "[device."
    ),
    Broken(
        "device is a number",
        GATEWAY + BROKER + '[device]\n"lane-1/reader" = 3 #!',
        'device."lane-1/reader"',
        "not a table",
        'write [device."lane-1/reader"]',
    ),
    Broken(
        "no gateway",
        BROKER.replace("\n[broker]", "[broker] #!") + DEVICE,
        "gateway",
        "section is missing",
        "add [gateway]",
    ),
    Broken(
        "no broker",
        GATEWAY.replace("\n[g", "#!\n[g", 1) + DEVICE,
        "broker",
        "section is missing",
        "add [broker]",
    ),
    Broken(
        "no device", "#!" + GATEWAY + BROKER, "device", "section is missing", 'add [device."lane-1/reader"]'
    ),
    Broken(
        "gateway is a text",
        'gateway = "x" #!\n' + BROKER + DEVICE,
        "gateway",
        '"x" is not a table',
        "write [gateway] and below it the keys: name, profile",
    ),
    Broken(
        "unknown section",
        GATEWAY + BROKER + DEVICE + "[delivry] #!",
        "delivry",
        "no such section",
        "did you mean delivery?",
    ),
    Broken(
        "misspelt required section",
        GATEWAY + BROKER.replace("broker]", "brokr] #!") + DEVICE,
        "brokr",
        "no such section",
        "did you mean broker?",
    ),
    Broken(
        "one section twice",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader"] #!',
        "",
        "twice",
        "keep one",
    ),
    Broken("one key twice", GATEWAY + BROKER + 'host = "::1" #!\n' + DEVICE, "", "overwrite", "keep one"),
    Broken(
        "text without quotes",
        GATEWAY + BROKER + DEVICE + "parity = E #!",
        "",
        "Invalid value",
        "double quotes",
    ),
    Broken("no equals sign", GATEWAY + BROKER + "port 1883 #!\n" + DEVICE, "", "Expected '='", "key = value"),
    Broken(
        "position unquoted",
        GATEWAY + BROKER + DEVICE + "[device.lane-2/reader] #!",
        "",
        "not TOML",
        '[device."lane-1/reader"]',
    ),
    Broken(
        "stray escape", GATEWAY + BROKER + DEVICE + r'api_token = "C:\key" #!', "", "escape", "single quotes"
    ),
    Broken(
        "cut in the middle", GATEWAY + BROKER + '[device."lane-1/reader" #!', "", "not TOML", "key = value"
    ),
    Broken(
        "number without end",
        GATEWAY + BROKER + f"port = {'9' * 5000}\n{DEVICE} #!",
        "",
        "not TOML",
        "toml.io",
    ),
    # Keys and their values.
    Broken(
        "site with capitals",
        GATEWAY.replace('"ke-busia"', '"KE-Busia" #!') + BROKER + DEVICE,
        "gateway.site",
        '"KE-Busia" cannot be a level of a topic',
        "lower-case letters",
    ),
    Broken(
        "name too long",
        GATEWAY.replace('"gw-1"', f'"{"g" * 33}" #!') + BROKER + DEVICE,
        "gateway.name",
        "cannot be a level",
        "at most 32",
    ),
    Broken(
        "site missing",
        GATEWAY.replace("way]", "way] #!").replace('site = "ke-busia"', "") + BROKER + DEVICE,
        "gateway.site",
        "is missing",
        'add site = "ke-busia"',
    ),
    Broken(
        "unknown profile",
        GATEWAY.replace('"training"', '"produktion" #!') + BROKER + DEVICE,
        "gateway.profile",
        '"produktion" is not one of the permitted words',
        "did you mean production?",
    ),
    Broken(
        "state_dir in a shell's words",
        GATEWAY.replace('"/var/lib/borderpost"', '"~/state" #!') + BROKER + DEVICE,
        "gateway.state_dir",
        '"~/state" is no path',
        "whole path",
    ),
    Broken(
        "misspelt key",
        GATEWAY + BROKER.replace("host", "hots").replace('1"', '1" #!') + DEVICE,
        "broker.hots",
        "no such key",
        "did you mean host?",
    ),
    Broken(
        "host is a URL",
        GATEWAY + BROKER.replace('"127', '"mqtt://127').replace('1"', '1" #!') + DEVICE,
        "broker.host",
        "is a URL",
        "name alone",
    ),
    Broken(
        "host with port",
        GATEWAY + BROKER.replace('1"', '1:1883" #!') + DEVICE,
        "broker.host",
        "neither a host name nor",
        "port is a key of its own",
    ),
    Broken(
        "port 0", GATEWAY + BROKER + "port = 0 #!\n" + DEVICE, "broker.port", "0 is too small", "at least 1:"
    ),
    Broken(
        "port 70000",
        GATEWAY + BROKER + "port = 70000 #!\n" + DEVICE,
        "broker.port",
        "70000 is too large",
        "at most 65535: TCP port",
    ),
    Broken(
        "port in letters",
        GATEWAY + BROKER + 'port = "mqtt" #!\n' + DEVICE,
        "broker.port",
        '"mqtt" is not a whole number',
        "port = 1883",
    ),
    Broken(
        "port true",
        GATEWAY + BROKER + "port = true #!\n" + DEVICE,
        "broker.port",
        "true is not a number",
        "write the number",
    ),
    Broken(
        "keepalive true",
        GATEWAY + BROKER + "keepalive_s = true #!\n" + DEVICE,
        "broker.keepalive_s",
        "true is not a number",
        "keepalive_s = 15",
    ),
    Broken(
        "port with a fraction",
        GATEWAY + BROKER + "port = 1883.5 #!\n" + DEVICE,
        "broker.port",
        "1883.5 is not a whole number",
        "TCP port",
    ),
    Broken(
        "embedded is a word",
        GATEWAY + BROKER + 'embedded = "maybe" #!\n' + DEVICE,
        "broker.embedded",
        '"maybe" is not true or false',
        "embedded = false",
    ),
    Broken(
        "tls is a switch",
        GATEWAY + BROKER + "tls = true #!\n" + DEVICE,
        "broker.tls",
        "true is not a table",
        "write [broker.tls] and below it the keys: ca_file",
    ),
    Broken(
        "heartbeat not a number",
        GATEWAY + BROKER + DEVICE + "[supervision]\nheartbeat_interval_s = nan #!",
        "supervision.heartbeat_interval_s",
        "nan is not a finite number",
        "in seconds",
    ),
    Broken(
        "expiry negative",
        GATEWAY + BROKER + DEVICE + "[delivery]\ntraveller_expires_s = -1 #!",
        "delivery.traveller_expires_s",
        "-1 is too small",
        "at least 1:",
    ),
    Broken(
        "log level",
        GATEWAY + BROKER + DEVICE + '[log]\nlevel = "warn" #!',
        "log.level",
        '"warn" is not one',
        "did you mean warning?",
    ),
    # Devices.
    Broken(
        "position without lane",
        GATEWAY + BROKER + DEVICE.replace("lane-1/reader", "reader").replace("]", "] #!"),
        "device.reader",
        "no position",
        "write lane/device",
    ),
    Broken(
        "position in two names",
        GATEWAY + BROKER + '[device.lane-1.reader] #!\ndriver = "kivu"',
        "device.lane-1",
        "in quotes, not two",
        'write [device."lane-1/reader"]',
    ),
    Broken(
        "no driver",
        GATEWAY + BROKER + '[device."lane-1/reader"] #!\nport = "/dev/ttyS0"',
        'device."lane-1/reader".driver',
        "is missing",
        'add driver = "..."',
    ),
    Broken(
        "driver is a number",
        GATEWAY + BROKER + DEVICE.replace('"kivu"', "4 #!"),
        'device."lane-1/reader".driver',
        "not the name of a driver",
        "kivu",
    ),
    Broken(
        "unknown driver",
        GATEWAY + BROKER + DEVICE.replace('"kivu"', '"kvu" #!'),
        'device."lane-1/reader".driver',
        'no driver is named "kvu"',
        "did you mean kivu? installed drivers: ",
    ),
    Broken(
        "driver that cannot be imported",
        GATEWAY + BROKER + DEVICE.replace('"kivu"', '"kivu-broken" #!'),
        'device."lane-1/reader".driver',
        "ModuleNotFoundError",
        "install its package again",
    ),
    Broken(
        "driver without settings",
        GATEWAY + BROKER + DEVICE.replace('"kivu"', '"kivu-unfinished" #!'),
        'device."lane-1/reader".driver',
        "its settings_model is no subclass of drivers.links.settings.Settings",
        "install its package again",
    ),
    Broken(
        "baud",
        GATEWAY + BROKER + DEVICE + "baud = 9601 #!",
        'device."lane-1/reader".baud',
        "9601 is not a rate this port can run at",
        "choose one of 1200, 9600, 115200",
    ),
    Broken(
        "firmware",
        GATEWAY + BROKER + DEVICE + "expected_firmware = 2.14 #!",
        'device."lane-1/reader".expected_firmware',
        "2.14 is not text in quotes",
        "",
    ),
    Broken(
        "setting of another driver",
        GATEWAY + BROKER + DEVICE + "buad = 9600 #!",
        'device."lane-1/reader".buad',
        "no such key",
        "did you mean baud?",
    ),
    Broken(
        "no port",
        GATEWAY + BROKER + '[device."lane-1/reader"] #!\ndriver = "kivu"',
        'device."lane-1/reader".port',
        "is missing",
        'add port = "usb:0DB5:0137": where it is plugged in',
    ),
    Broken(
        "port is a list",
        GATEWAY + BROKER + '[device."lane-1/reader"]\ndriver = "kivu"\nport = [1] #!',
        'device."lane-1/reader".port',
        "a list is not text in quotes",
        'port = "usb:0DB5:0137"',
    ),
    Broken(
        "nested setting",
        GATEWAY + BROKER + DEVICE + "light.level = 101 #!",
        'device."lane-1/reader".light.level',
        "101 is too large",
        "at most 100: brightness, in percent",
    ),
    Broken(
        "nested unknown setting",
        GATEWAY + BROKER + DEVICE + "light = { levl = 1 } #!",
        'device."lane-1/reader".light.levl',
        "no such key",
        "did you mean level?",
    ),
    Broken(
        "entry of a list",
        GATEWAY + BROKER + DEVICE + 'retries = [\n  1, # one\n  "x", #!\n]',
        'device."lane-1/reader".retries[1]',
        '"x" is not a whole number',
        "waits, in seconds",
    ),
    Broken(
        "gap of nothing",
        GATEWAY + BROKER + DEVICE + "gap_s = 0 #!",
        'device."lane-1/reader".gap_s',
        "0 is too small",
        "more than 0: silence after",
    ),
    # Several keys together.
    Broken(
        "two devices on one port",
        GATEWAY + BROKER + DEVICE + DEVICE.replace("lane-1", "lane-2").replace('A1"', 'A1" #!'),
        'device."lane-2/reader".port',
        'is already the port of device "lane-1/reader"',
        "by serial number",
    ),
    Broken(
        "two devices of one model",
        GATEWAY
        + BROKER
        + DEVICE.replace(":A1", "")
        + DEVICE.replace("lane-1", "lane-2").replace('0DB5:0137:A1"', '0db5:0137" #!'),
        'device."lane-2/reader".port',
        'is already the port of device "lane-1/reader"',
        "by serial number",
    ),
    Broken(
        "one of two has a serial number",
        GATEWAY
        + BROKER
        + DEVICE
        + DEVICE.replace("lane-1", "lane-2").replace('0DB5:0137:A1"', '0db5:0137" #!'),
        'device."lane-2/reader".port',
        "may be the port of",
        "serial number",
    ),
    Broken(
        "one of two is named by its socket",
        GATEWAY
        + BROKER
        + DEVICE.replace(":A1", "@1-10.2")
        + DEVICE.replace("lane-1", "lane-2").replace('0DB5:0137:A1"', '0db5:0137" #!'),
        'device."lane-2/reader".port',
        "may be the port of",
        "serial number",
    ),
    Broken(
        "one port by two paths",
        GATEWAY
        + BROKER
        + DEVICE.replace("usb:0DB5:0137:A1", "/dev/null")
        + DEVICE.replace("lane-1", "lane-2").replace('usb:0DB5:0137:A1"', '{folder}/link-to-null" #!'),
        'device."lane-2/reader".port',
        "is already the port of",
        "by serial number",
    ),
    Broken(
        "two devices for one picture",
        GATEWAY + BROKER + CAMERA + CAMERA.replace("lane-1", "lane-2").replace('1.9"', '1.9" #!'),
        'device."lane-2/camera".url',
        'is already the url of device "lane-1/camera"',
        "an address of its own",
    ),
    Broken(
        "traveller data kept an hour",
        GATEWAY + BROKER + DEVICE + "[delivery]\ntraveller_expires_s = 3600 #!",
        "delivery.traveller_expires_s",
        "3600 s is too long",
        "at most 600",
    ),
    Broken(
        "image larger than the outbox",
        GATEWAY + BROKER + DEVICE + "[delivery]\nmax_bytes = 1_048_576\nmax_image_bytes = 2_000_000 #!",
        "delivery.max_image_bytes",
        "larger than the whole outbox",
        "1048576",
    ),
    Broken(
        "heartbeat limit",
        GATEWAY + BROKER + DEVICE + "[supervision]\nheartbeat_timeout_s = 1.5 #!",
        "supervision.heartbeat_timeout_s",
        "1.5 s would kill",
        "at least twice heartbeat_interval_s, 2",
    ),
    Broken(
        "backoff backwards",
        GATEWAY + BROKER + DEVICE + "[supervision]\nbackoff_max_s = 0.1 #!",
        "supervision.backoff_max_s",
        "0.1 s is less than the first wait",
        "0.5",
    ),
    Broken(
        "headquarters is the post",
        GATEWAY + BROKER + DEVICE + '[hq]\nhost = "127.0.0.1" #!',
        "hq.host",
        "the post's own broker",
        "take [hq] out",
    ),
    Broken(
        "two sources of the key",
        GATEWAY + BROKER + DEVICE + '[encryption]\nkey_file = "private"\nkey_variable = "X" #!',
        "encryption.key_variable",
        "not from key_file and key_variable",
        "keep one",
    ),
    Broken(
        "embedded broker elsewhere",
        GATEWAY + BROKER.replace("127.0.0.1", "10.0.0.1") + "embedded = true #!\n" + DEVICE,
        "broker.embedded",
        "this machine only",
        '"127.0.0.1"',
    ),
    # Files that the post refers to.
    Broken(
        "no password file",
        GATEWAY + BROKER + 'username = "x"\npassword_file = "absent" #!\n' + DEVICE,
        "broker.password_file",
        "does not exist",
        "correct the path",
    ),
    Broken(
        "password for all to read",
        GATEWAY + BROKER + 'username = "x"\npassword_file = "open" #!\n' + DEVICE,
        "broker.password_file",
        "every user",
        "chmod o=",
    ),
    Broken(
        "password file is a folder",
        GATEWAY + BROKER + 'username = "x"\npassword_file = "folder" #!\n' + DEVICE,
        "broker.password_file",
        "not a regular file",
        "the file itself",
    ),
    Broken(
        "password file empty",
        GATEWAY + BROKER + 'username = "x"\npassword_file = "empty" #!\n' + DEVICE,
        "broker.password_file",
        "is empty",
        "write its content",
    ),
    Broken(
        "password file behind a file",
        GATEWAY + BROKER + 'username = "x"\npassword_file = "private/x" #!\n' + DEVICE,
        "broker.password_file",
        "cannot be reached",
        "check the path",
    ),
    Broken(
        "password without a name",
        GATEWAY + BROKER + 'password_file = "private" #!\n' + DEVICE,
        "broker.password_file",
        "without a user name",
        "add username",
    ),
    Broken(
        "key for all to read",
        GATEWAY
        + BROKER
        + DEVICE
        + '[hq]\nhost = "hq.example"\n[hq.tls]\ncert_file = "open"\nkey_file = "open" #!',
        "hq.tls.key_file",
        "every user",
        "chmod o=",
    ),
    Broken(
        "certificate without key",
        GATEWAY + BROKER + DEVICE + '[hq]\nhost = "hq.example"\ntls = { cert_file = "open" } #!',
        "hq.tls.cert_file",
        "without its private key",
        "add key_file",
    ),
    Broken(
        "key without certificate",
        GATEWAY + BROKER + DEVICE + '[hq]\nhost = "hq.example"\n[hq.tls]\nkey_file = "private" #!',
        "hq.tls.key_file",
        "without its certificate",
        "add cert_file",
    ),
    Broken(
        "no ca file",
        GATEWAY + BROKER + DEVICE + '[hq]\nhost = "hq.example"\ntls.ca_file = "absent" #!',
        "hq.tls.ca_file",
        "does not exist",
        "correct the path",
    ),
    Broken(
        "vault key absent",
        GATEWAY + BROKER + DEVICE + '[encryption]\nkey_file = "absent" #!',
        "encryption.key_file",
        "does not exist",
        "correct the path",
    ),
    Broken(
        "credential not given",
        GATEWAY + BROKER + DEVICE + '[encryption]\ncredential = "outbox.key" #!',
        "encryption.credential",
        "no credential of that name",
        "LoadCredentialEncrypted=outbox.key",
    ),
    # Refused only in production.
    Broken(
        "embedded broker in production",
        PRODUCTION + BROKER + "embedded = true #!\n" + DEVICE,
        "broker.embedded",
        "does not use the demo's broker",
        "run Mosquitto",
    ),
    Broken(
        "headquarters in clear",
        PRODUCTION + BROKER + DEVICE + '[hq]\nhost = "hq.example" #!',
        "hq.host",
        "nothing in clear",
        "[hq.tls]",
    ),
    Broken(
        "broker in clear",
        PRODUCTION + BROKER.replace('127.0.0.1"', '10.0.0.1" #!') + DEVICE,
        "broker.host",
        "nothing in clear",
        "[broker.tls]",
    ),
    Broken(
        "pseudo-terminal",
        PRODUCTION + BROKER + DEVICE.replace('usb:0DB5:0137:A1"', '/dev/pts/7" #!'),
        'device."lane-1/reader".port',
        "refuses a simulated device",
        "name the real port",
    ),
    Broken(
        "simulated chip reader",
        PRODUCTION
        + BROKER
        + """
[device."lane-1/reader"]
driver = "mrz-serial"
port = "usb:0DB5:0137:A1"
framing = "text"
chip = { reader = "vpcd://127.0.0.1:35963" } #!
""",
        'device."lane-1/reader".chip.reader',
        "refuses a simulated device",
        "name the real port",
    ),
    Broken(
        "link to a pseudo-terminal",
        PRODUCTION + BROKER + DEVICE.replace('usb:0DB5:0137:A1"', '{folder}/link-to-pty" #!'),
        'device."lane-1/reader".port',
        "refuses a simulated device",
        "name the real port",
    ),
    Broken(
        "replay",
        PRODUCTION + BROKER + DEVICE.replace('usb:0DB5:0137:A1"', 'replay:swipes.log" #!'),
        'device."lane-1/reader".port',
        "refuses a simulated device",
        'profile = "training"',
    ),
    Broken(
        "simulators in production",
        PRODUCTION + BROKER + '[console]\nsimulators = "sim.sock" #!\n' + DEVICE,
        "console.simulators",
        "has no simulators",
        'profile = "training"',
    ),
    # The technicians' console.
    Broken(
        "console for anybody",
        GATEWAY + BROKER + '[console]\nlisten = "127.0.0.1:8440" #!\n' + DEVICE,
        "console.listen",
        "needs a list of users",
        "add users_file = ",
    ),
    Broken(
        "console in clear",
        GATEWAY + BROKER + '[console]\nusers_file = "u.toml"\nlisten = "192.0.2.1:8440" #!\n' + DEVICE,
        "console.listen",
        "cross a network unencrypted",
        "add a table [console.tls]",
    ),
    Broken(
        "console of any name",
        GATEWAY + BROKER + '[console]\nlisten = "post.example" #!\n' + DEVICE,
        "console.listen",
        '"post.example" does not have the required form',
        'listen = "127.0.0.1:8440"',
    ),
    Broken(
        "users that all may read",
        GATEWAY + BROKER + '[console]\nusers_file = "open" #!\n' + DEVICE,
        "console.users_file",
        "every user of this machine can read",
        "chmod o=",
    ),
    Broken(
        "key of the console that is not there",
        GATEWAY + BROKER + '[console.tls]\ncert_file = "open"\nkey_file = "none" #!\n' + DEVICE,
        "console.tls.key_file",
        "does not exist",
        "create it",
    ),
    # Tables of several kinds, told apart by a word in them.
    Broken(
        "kind of table that there is not",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader".sound]\nmodel = "hron" #!',
        'device."lane-1/reader".sound.model',
        '"hron" is not one of the permitted words',
        "did you mean horn? choose one of bell, horn",
    ),
    Broken(
        "table that does not say its kind",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader".sound] #!\nvolume = 3',
        'device."lane-1/reader".sound.model',
        "is missing",
        "add model = ",
    ),
    Broken(
        "too large in a kind of table",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader".sound]\nmodel = "bell"\nvolume = 11 #!',
        'device."lane-1/reader".sound.volume',
        "11 is too large",
        "how loud",
    ),
    Broken(
        "missing from a kind of table",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader".sound] #!\nmodel = "bell"',
        'device."lane-1/reader".sound.volume',
        "is missing",
        "add volume = 3",
    ),
    Broken(
        "key of another kind of table",
        GATEWAY + BROKER + DEVICE + '[device."lane-1/reader".sound]\nmodel = "horn"\nvolume = 3 #!',
        'device."lane-1/reader".sound.volume',
        "there is no such key",
        "known keys: model",
    ),
    # The environment.
    Broken(
        "unset variable",
        GATEWAY + BROKER + 'port = "${NO_SUCH_PORT}" #!\n' + DEVICE,
        "broker.port",
        "no variable NO_SUCH_PORT",
        "${NO_SUCH_PORT:-",
    ),
    Broken(
        "shell's short form",
        GATEWAY + BROKER + DEVICE.replace('usb:0DB5:0137:A1"', '$RUN/reader" #!'),
        'device."lane-1/reader".port',
        "a single `$`",
        "`$$`",
    ),
    Broken(
        "variable of the wrong kind",
        GATEWAY + BROKER + 'port = "${WORD}" #!\n' + DEVICE,
        "broker.port",
        '"elf" (from "${WORD}") is not a whole number',
        "port = 1883",
    ),
)


def findings(folder: Path, text: str) -> tuple[ConfigIssue, ...]:
    """Load a text in a directory with files of every kind; returns its mistakes."""
    for name, content, mode in (("open", "x", 0o644), ("private", "x", 0o640), ("empty", "", 0o640)):
        (folder / name).write_text(content)
        (folder / name).chmod(mode)
    (folder / "folder").mkdir()
    (folder / "link-to-null").symlink_to("/dev/null")
    (folder / "link-to-pty").symlink_to("/dev/pts/7")
    file = folder / "busia.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {"WORD": "elf", "CREDENTIALS_DIRECTORY": str(folder / "folder")})
    return caught.value.issues


@pytest.mark.parametrize("broken", TABLE, ids=lambda broken: broken.name)
def test_mistake_has_line_key_and_remedy(broken: Broken, tmp_path: Path) -> None:
    text = broken.file.replace("{folder}", str(tmp_path))
    marked = [at for at, line in enumerate(text.splitlines(), 1) if line.endswith("#!")]

    (finding,) = findings(tmp_path, text)

    assert finding.file == str(tmp_path / "busia.toml")
    assert [finding.line] == marked
    assert finding.key_path == broken.key
    assert broken.text in finding.text
    assert broken.remedy in finding.remedy
    assert str(finding).startswith(f"{finding.file}:{finding.line}:")
    assert str(finding).count("\n") == 1


def test_all_mistakes_are_reported_in_order(tmp_path: Path) -> None:
    told = findings(
        tmp_path,
        GATEWAY.replace("ke-busia", "KE")
        + BROKER
        + "port = 0\n"
        + DEVICE.replace("kivu", "kvu")
        + DEVICE.replace("lane-1", "lane-2")
        + "baud = 1\n"
        + DEVICE.replace("lane-1", "lane-3")
        + "[encryption]\nkey_file = 'absent'\n",
    )

    assert [finding.key_path for finding in told] == [
        "gateway.site",
        "broker.port",
        'device."lane-1/reader".driver',
        'device."lane-2/reader".baud',
        "encryption.key_file",
    ]
    assert [finding.line for finding in told] == sorted(finding.line or 0 for finding in told)


def test_error_text(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, GATEWAY + BROKER + DEVICE + "baud = 9601")

    assert str(finding) == (
        f'{tmp_path}/busia.toml:14: device "lane-1/reader": baud: 9601 is not a rate this port can run at\n'
        "    choose one of 1200, 9600, 115200"
    )


CANARY = "Sup3rGeheim"


@pytest.mark.parametrize(
    "line",
    [
        f'api_token = "{CANARY}"',
        f'secret_code = "{CANARY}"',
        f'password = "{CANARY}"',
        f'my_key = {{ inner = "{CANARY}" }}',
        f'api_token = ["{CANARY}"]',
        'baud = "${THE_SECRET}"',
        'parity = "${THE_SECRET}"',
    ],
)
def test_a_secret_is_never_shown(line: str, tmp_path: Path) -> None:
    file = tmp_path / "busia.toml"
    file.write_text(GATEWAY + BROKER + DEVICE + line)

    with pytest.raises(ConfigError) as caught:
        load(file, {"THE_SECRET": CANARY})

    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "absent.toml")

    assert str(caught.value).startswith(f"{tmp_path}/absent.toml: there is no such file\n    ")
    assert caught.value.exit_code == 78


def test_unusable_path_is_reported(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * 2_000_000)
    for path, text in (
        (tmp_path, "folder"),
        (Path("/dev/zero"), "not a regular file"),
        (huge, "far too large"),
        (Path("a\0b"), "cannot be read"),
        (huge / "x", "cannot be read"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path)
        (finding,) = caught.value.issues
        assert text in finding.text
        assert finding.line is None


def test_unreadable_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "busia.toml"
    file.write_text("")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    # Root, who runs the tests, may read every file: so the operating system's error is simulated.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError) as caught:
        load(file)

    assert "may not read the file" in str(caught.value)


def test_latin_1_is_found_by_line(tmp_path: Path) -> None:
    file = tmp_path / "busia.toml"
    file.write_bytes(b'[gateway]\nsite = "ke"\n# caf\xe9\n')

    with pytest.raises(ConfigError) as caught:
        load(file)

    (finding,) = caught.value.issues
    assert (finding.line, finding.text) == (3, "byte 0xe9 is not UTF-8")
    assert "UTF-8" in finding.remedy


def test_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, '[gateway]\nsite = "ke-busia"\nname = gw-1\n')

    assert (finding.line, finding.column) == (3, 8)
    assert str(finding).startswith(f"{tmp_path}/busia.toml:3:8: not TOML: ")


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, f"[{'.'.join('a' * 600)}]"])
def test_nesting_without_end(tmp_path: Path, text: str) -> None:
    (finding,) = findings(tmp_path, text)

    assert finding.line == 1
    assert "too deep" in finding.text or "not TOML" in finding.text
