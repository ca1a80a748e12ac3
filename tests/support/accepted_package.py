"""A package with a driver of another vendor, installed on the path: a scale that meets every criterion."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers import probe, registry
from drivers.packages import entry_points, vocabularies
from simulators import packages

NAME = "acme-scale"
README = """A scale.

```toml
[device."lane-1/scale"]
driver = "acme-scale"
port = "/dev/ttyUSB0"
```
"""
WORDS = '''"""Vocabulary of the scale."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary


class Weighed(Observation):
    """An object lies on the scale."""

    event_type: ClassVar[str] = "acme.scale.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    unredacted_fields = Observation.unredacted_fields | {"mass_kg"}
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])


VOCABULARY = Vocabulary("acme", 1, (Weighed,))
'''
DRIVER = '''"""Acme luggage scale on a serial line. Source: Acme, Scale Manual 1.0, section 3."""

import asyncio
import re

from pydantic import Field

from acme_scale.words import VOCABULARY, Weighed
from drivers.driver import BadFrame, Driver, Family, Identity
from drivers.links.framing import CompleteFrame, DamagedFrame, Delimited, frames
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import SerialSettings

MASS = re.compile(rb"[0-9]{1,3}[.][0-9]")


class ScaleSettings(SerialSettings):
    """Settings of one scale."""

    gap_s: float = Field(default=0.02, gt=0, description="Silence that ends a frame, in seconds.")


class ScaleFraming(Delimited):
    """STX, mass, ETX."""

    def __init__(self):
        super().__init__(re.compile(b"\\x02"), 1, 64)

    def frame_end(self, start, buffer, search_from, stop):
        return buffer.find(b"\\x03", search_from, stop) + 1 or -1

    def check_frame(self, start, wire):
        return CompleteFrame(wire[1:-1], wire)


class Scale(Driver):
    """A luggage scale."""

    family = Family("scale")
    settings_model = ScaleSettings
    vocabulary = VOCABULARY
    observation_types = (Weighed,)

    async def open(self):
        self.link = await self.links.serial(self.settings)
        await self.link.write(b"\\x05")
        answer = b""
        try:
            async with asyncio.timeout(20):
                while not answer.endswith(b"\\r"):
                    answer += await self.link.read()
        except TimeoutError:
            raise LinkError(Cause.NO_RESPONSE, "No scale responds.", Action.REPLUG, "Check its cable.")
        return Identity(model="scale")

    async def watch(self):
        async for frame in frames(self.link, ScaleFraming(), self.settings.gap_s):
            match frame:
                case DamagedFrame(fault, wire):
                    yield BadFrame(fault, wire)
                case CompleteFrame(payload, wire):
                    if MASS.fullmatch(payload) is None:
                        yield BadFrame("malformed", wire)
                    else:
                        yield Weighed(mass_kg=float(payload))
'''
SIMULATOR = '''"""Simulated scale."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import Field

from simulators.links.serial_line import SerialLine
from simulators.simulator import Simulator, SimulatorSettings


class ScaleSimulatorSettings(SimulatorSettings):
    """A simulated scale."""

    kind: Literal["acme-scale"]
    path: Path = Field(description="Path of its port.")

    def build(self):
        return ScaleSimulator(self)


class ScaleSimulator(Simulator):
    """Responds to ENQ, and weighs on `insert`."""

    def __init__(self, settings):
        self.line = SerialLine.open_at(settings.path, look_s=0.005)
        self.line.on_received = lambda data: self.line.call_soon(self.line.send(b"scale\\r"))

    async def run(self, emit):
        async with self.line:
            emit("ready", {})
            await asyncio.Event().wait()

    async def handle_command(self, verb, arguments):
        await self.line.send(b"\\x0223.4\\x03")
        return {}
'''
RECORDING = """# borderpost recording 2
# driver: acme-scale
# wire: serial
# settings: {}
# provenance: written from its manual
# people: synthetic
# begins: at open
0.000 out 05
0.010 in  73 63 61 6c 65 0d
0.500 in  02 32 33 2e 34 03
1.000 in  02 37 2e 30 03
"""
EVENTS = """[
 {"type": "identity",
  "data": {"model": "scale", "manufacturer": null, "serial_number": null, "firmware": null}},
 {"type": "acme.scale.weighed", "data": {"attachments": [], "mass_kg": 23.4}},
 {"type": "acme.scale.weighed", "data": {"attachments": [], "mass_kg": 7.0}}
]
"""
FILES = {
    "acme_scale/__init__.py": '"""A scale."""\n',
    "acme_scale/words.py": WORDS,
    "acme_scale/driver.py": DRIVER,
    "acme_scale/simulator.py": SIMULATOR,
    "acme_scale/recordings/scale.rec": RECORDING,
    "acme_scale/recordings/scale.events.json": EVENTS,
    "acme_scale-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n\n{README}",
    "acme_scale-1.0.dist-info/entry_points.txt": """[borderpost.drivers]
acme-scale = acme_scale.driver:Scale
[borderpost.simulators]
acme-scale = acme_scale.simulator:ScaleSimulatorSettings
[borderpost.vocabularies]
acme = acme_scale.words:VOCABULARY
""",
}
Install = Callable[..., Path]
"""Function that installs the package with texts replaced, as `install(("old", "new"), ...)`, in the file
that has the old one; returns its folder."""


def write_package(site: Path, *changes: tuple[str, str]) -> None:
    """Write the package, with each text replaced in every file that has it."""
    found = set()
    for name, original in FILES.items():
        text = original
        for old, new in changes:
            if old in text:
                found.add(old)
            text = text.replace(old, new)
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert found == {old for old, _ in changes}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    def _install(*changes: tuple[str, str]) -> Path:
        site = tmp_path / "site"
        shutil.rmtree(site, ignore_errors=True)
        write_package(site, *changes)
        monkeypatch.syspath_prepend(site)
        forget()
        return site

    def forget() -> None:
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.partition(".")[0] == "acme_scale"]:
            del sys.modules[name]
        for cached in (
            entry_points.offers,
            vocabularies._read,
            registry.load_driver,
            packages.simulator_points,
            probe.probe,
        ):
            cached.cache_clear()
        registry._found.clear()

    yield _install
    monkeypatch.undo()
    forget()
