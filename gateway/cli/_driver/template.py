"""Package of a new driver, made of the template of its family with other names.

A template is a folder of plain files beside the command line (`driver_template/`): valid Python, in which the
words of `_words` are replaced. Folders of a family are laid one over the other; a file `NAME.more` is
appended to NAME.
"""

import keyword
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from drivers.packages.reserved_names import NAMESPACES
from drivers.registry import installed_drivers

TEMPLATE = Path(__file__).parents[1] / "driver_template"
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "passport_reader": ("common", "serial", "passport_reader"),
    "fingerprint_scanner": ("common", "serial", "fingerprint_scanner"),
    "camera": ("common", "camera"),
    "barrier": ("common", "serial", "barrier"),
    "card_reader": ("common", "serial", "card_reader"),
}
"""Folders of the template by family."""
OWN_FAMILY = ("common", "serial", "own")
OWN_LINK = {"camera": "HTTP", "barrier": "a serial line"}
"""Link of templates that have no choice."""
EXTRAS = {"fingerprint_scanner": "fingerprint", "camera": "camera"}
"""Extra of the gateway that the drivers of a family need; `post` for all others."""
RENAMED = {"github": ".github", "gitignore": ".gitignore", "readme.md": "README.md"}
"""Names that no file of the template can have, because tools of this project would read it."""
ON_TCP: Mapping[str, str] = {
    "from drivers.links.serial import SerialSettings": "from drivers.links.tcp import TcpSettings",
    "from drivers.links.serial import SerialLink": "from drivers.links.tcp import TcpLink",
    "from simulators.links.serial_line import SerialLine": "from simulators.links.tcp_line import TcpLine",
    "from pathlib import Path\n": "",
    "SerialSettings": "TcpSettings",
    "SerialLink": "TcpLink",
    "SerialLine.open_at(settings.path)": "TcpLine.open_at(settings.port)",
    "self.links.serial(": "self.links.tcp(",
    "on a serial line": "over TCP",
    "Serial line, 9600 baud, 8N1.": "TCP, port 4001, one connection at a time.",
    "Open the port and identify": "Connect and identify",
    "check `port` and `baud`.": "check `port`.",
    'path: Path = Field(description="Path of the port: a symlink to the pty.")': (
        'port: int = Field(ge=0, le=65535, description="TCP port of this machine; 0: any free one.")'
    ),
    '"""Path of the port."""\n        return (str(self.path),)': (
        '"""TCP port."""\n        return (f"127.0.0.1:{self.port}",) if self.port else ()'
    ),
    'name, kind and path."""': 'name, kind and port."""',
    '{"path": str(self.path)}': '{"port": self.port}',
    'emit("ready", self.settings.summary())': (
        'emit("ready", self.settings.summary() | {"port": self.line.port})'
    ),
    "device(tmp_path: Path)": "device()",
    'path=tmp_path / "port")': "port=0)",
    'path = "${BORDERPOST_RUN}/lane-1-device"': 'port = "${BORDERPOST_DEVICE_PORT:-4001}"',
    'port = "${BORDERPOST_RUN}/lane-1-device"': 'port = "tcp://127.0.0.1:${BORDERPOST_DEVICE_PORT:-4001}"',
    "# wire: serial": "# wire: tcp",
}
"""Texts of a template on a serial line, and those of one over TCP, in their order."""
BY_ID = re.compile(r"/dev/serial/by-id/[\w-]+")
"""Port of a real device in a template's page."""
MORE = ".more"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,31}")
PACKAGES = frozenset({"drivers", "gateway", "simulators", "tests"})
TEXT_WORDS = re.compile(r"borderpost-gateway\[sample-extras\]|[Ss]ample[-_ ]?[Dd]evice|sampleco")


class Link(StrEnum):
    """Link of a template that has the folder `serial`."""

    serial = "serial"
    tcp = "tcp"


class NameFault(ValueError):  # noqa: N818 - an answer, not a fault
    """A name or a family that a package cannot have; the text says why."""


def make_package(name: str, family: str, folder: Path, link: Link = Link.serial) -> list[Path]:
    """Write the package of a new driver; return its files. Raises NameFault and OSError.

    A camera has no choice of its link, and neither has a barrier.
    """
    words = _words(name, family)
    if link is not Link.serial and family in OWN_LINK:
        raise NameFault(f"the package of a {family} is made for {OWN_LINK[family]}: leave out --link")
    folder.mkdir(parents=True)
    files: dict[Path, str] = {}
    for layer in FAMILIES.get(family, OWN_FAMILY):
        for source in _files(TEMPLATE / layer):
            name_in_template = source.relative_to(TEMPLATE / layer)
            is_more = source.suffix == MORE
            path = _target(name_in_template.with_suffix("") if is_more else name_in_template, words)
            text = _over(link, source.read_text("utf-8"))
            text = TEXT_WORDS.sub(lambda found: words[found[0]], text)
            files[path] = files[path] + text if is_more else text
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return sorted(files)


def _over(link: Link, text: str) -> str:
    """Return a text of a template for that link."""
    if link is Link.tcp:
        for on_serial, on_tcp in ON_TCP.items():
            text = text.replace(on_serial, on_tcp)
        text = BY_ID.sub("tcp://192.0.2.10:4001", text)
    return text


def _files(layer: Path) -> list[Path]:
    """Return the files of a folder of the template, without what tools leave in it."""
    found = [path for path in layer.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if not any(part[0] in "._" and part != "__init__.py" for part in path.parts[len(layer.parts) :])
    )


def _target(source: Path, words: Mapping[str, str]) -> Path:
    return Path(*(words.get(part, RENAMED.get(part, part)) for part in source.parts))


def _words(name: str, family: str) -> dict[str, str]:
    """Return the words of the template and their replacements; raises NameFault."""
    package = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > 40:
        raise NameFault(
            f"{name!r} is no name of a driver: write small letters and digits, with hyphens between words, "
            "as in kivu-k20"
        )
    if package in PACKAGES:
        raise NameFault(f"{name!r} is the name of a package of this project: choose another one")
    if keyword.iskeyword(package):
        raise NameFault(f"{name!r} is a word of Python: choose another one, such as maker-{name}")
    if package in sys.stdlib_module_names:
        raise NameFault(
            f"{name!r} is the name of a module of Python: choose another one, such as maker-{name}"
        )
    if name in installed_drivers():
        raise NameFault(f"a driver named {name!r} is installed already: choose another name")
    if family in NAMESPACES and family not in FAMILIES:
        raise NameFault(
            f"the namespace {family!r} belongs to the gateway: write one of {', '.join(FAMILIES)}, or a word "
            "of your own, such as your company's name"
        )
    if not NAMESPACE.fullmatch(family):
        raise NameFault(
            f"{family!r} is no family: write one of {', '.join(FAMILIES)}, or a word of your own, of small "
            "letters, digits and underscores"
        )
    extra = EXTRAS.get(family, "post")
    parts = name.split("-")
    return {
        "sample_device": package,
        "sample-device": name,
        "SampleDevice": "".join(part.capitalize() for part in parts),
        "Sample device": " ".join(parts).capitalize(),
        "sampleco": family,
        "borderpost-gateway[sample-extras]": f"borderpost-gateway[{extra}]",
    }
