"""Packages of two invented vendors of scales, with equal names of models and verbs.

`acme` and `kivu` are their vocabularies; `write_packages` makes installed packages of them, with drivers.
"""

from pathlib import Path

NAMES = ("acme", "kivu")
DRIVER = '''
"""Scale that writes each weighing as one line of JSON, and answers `weigh` by a line that begins with `=`."""

import asyncio

from drivers.command import Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from PACKAGE.vocabulary import VOCABULARY, Weigh, WeighResult


class Scale(Driver[SerialSettings]):
    """A scale on a serial port."""

    family = Family("luggage_scale")
    settings_model = SerialSettings
    vocabulary = VOCABULARY
    observation_types = VOCABULARY.observations

    async def open(self):
        """Open the port."""
        self.link = await self.links.serial(self.settings)
        self.answers = asyncio.Queue()
        return Identity(model="PACKAGE")

    async def watch(self):
        """Yield weighings and states."""
        rest = b""
        while True:
            *lines, rest = (rest + await self.link.read()).split(b"\\n")
            for line in lines:
                if line.startswith(b"="):
                    self.answers.put_nowait(line[1:])
                else:
                    kind, _, data = line.decode().partition(" ")
                    (model,) = (one for one in self.observation_types if one.__name__ == kind)
                    yield model.model_validate_json(data)

    @command()
    async def weigh(self, request: Weigh, call: Invocation) -> WeighResult:
        """Weigh now."""
        await self.link.write(b"weigh " + request.model_dump_json().encode() + b"\\n")
        return WeighResult.model_validate_json(await self.answers.get())
'''


def texts() -> dict[str, str]:
    """Return the text of the vocabulary of each vendor, by its namespace."""
    return {name: (Path(__file__).parent / f"{name}.py").read_text() for name in NAMES}


def write_packages(site: Path) -> None:
    """Write a package of each vendor into a folder of libraries, as `pip install` does."""
    for name, text in texts().items():
        package = f"{name}_scales"
        (site / package).mkdir(parents=True)
        for module, content in (("__init__", ""), ("vocabulary", text), ("driver", DRIVER)):
            (site / package / f"{module}.py").write_text(content.replace("PACKAGE", package))
        metadata = site / f"{package}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-scales\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(
            f"[borderpost.drivers]\n{name}-scale = {package}.driver:Scale\n"
            f"[borderpost.vocabularies]\n{name} = {package}.vocabulary:VOCABULARY\n"
        )
