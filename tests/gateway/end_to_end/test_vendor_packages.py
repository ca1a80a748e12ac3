"""Packages of other vendors in a whole gateway: faulty ones cost their own devices only."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.packages import write_package
from support.patience import PATIENCE_S

from gateway.client import Workstation

__all__ = ["gateway"]

WORDS = '''
from typing import ClassVar
from pydantic import Field, field_validator
from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class Weighed(Observation):
    """An object lies on the scale."""
    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])

class Tared(CommandOutput):
    """The scale is at zero."""

VOCABULARY = Vocabulary("acme", 2, (Weighed,), (CommandType("acme.tare", CommandArguments, Tared),))
'''
SCALE = """
from drivers.command import CommandArguments, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.serial import SerialSettings
from acme_words import VOCABULARY, Tared, Weighed

class Scale(Driver[SerialSettings]):
    family = Family("luggage_scale")
    vocabulary = VOCABULARY
    settings_model = SerialSettings
    observation_types = (Weighed,)
    async def open(self):
        self.link = await self.links.serial(self.settings)
        return Identity(model="scale")
    async def watch(self):
        while True:
            yield Weighed(mass_kg=len(await self.link.read()))
    @command()
    async def tare(self, request: CommandArguments, call: Invocation) -> Tared:
        return Tared()
"""
ENDLESS = '''
class Endless(Weighed):
    """Its validator never ends, and the gateway itself would run it."""
    event_type: ClassVar[str] = "endless.weighed"
    @field_validator("mass_kg")
    @classmethod
    def wait(cls, value):
        while True: pass

from acme_words import Tared
TARE = CommandType("endless.tare", CommandArguments, Tared)
VOCABULARY = Vocabulary("endless", 1, (Endless,), (TARE,))
'''
OF_ENDLESS = """
from acme_scale import Scale
from endless_words import VOCABULARY, Endless

class Other(Scale):
    vocabulary = VOCABULARY
    observation_types = (Endless,)
"""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def install_vendors(folder: Path) -> Path:
    """Install a sound scale, one whose model blocks, and two of one name; return the folder for sys.path."""
    site = folder / "site"
    write_package(site, "acme-words", WORDS, vocabularies={"acme": "acme_words:VOCABULARY"})
    write_package(site, "acme-scale", SCALE, drivers={"acme-scale": "acme_scale:Scale"})
    write_package(
        site, "endless-words", WORDS + ENDLESS, vocabularies={"endless": "endless_words:VOCABULARY"}
    )
    write_package(site, "endless-scale", OF_ENDLESS, drivers={"endless-scale": "endless_scale:Other"})
    for vendor in ("kivu-one", "kivu-two"):
        write_package(site, vendor, SCALE, drivers={"kivu-scale": f"{vendor.replace('-', '_')}:Scale"})
    return site


async def test_faulty_packages_cost_their_own_devices(gateway: GatewayFixture) -> None:
    gateway.path = (install_vendors(gateway.folder),)
    gateway.describe("lane-1/scale", "acme-scale")
    gateway.describe("lane-2/scale", "endless-scale")
    gateway.describe("lane-3/scale", "kivu-scale")
    wire = await gateway.wire("lane-1/scale")
    await gateway.start()
    async with gateway.workstation() as desk:
        for position in ("lane-2/scale", "lane-3/scale"):
            await until(lambda where=position: state(desk, where) == "fault")
        assert "has a validator, a serializer or a constructor" in text(desk, "lane-2/scale")
        assert "kivu-one 1.2 and kivu-two 1.2; uninstall one of them" in text(desk, "lane-3/scale")
        await until(lambda: state(desk, "lane-1/scale") == "online")
        described = desk.status("lane-1/scale").description
        assert described is not None
        assert described.family == "luggage_scale"
        assert [one.dataschema for one in described.events] == ["urn:bgw:schema:acme.weighed:v2"]
        assert described.commands[0].args == "urn:bgw:schema:command.acme.tare:v2:args"
        await wire.wait_for_host()
        await wire.send(b"12345")
        async with asyncio.timeout(PATIENCE_S):
            event = await anext(aiter(desk))
        assert (event.envelope.type, event.envelope.dataschema) == (
            "bgw.acme.weighed.v2",
            "urn:bgw:schema:acme.weighed:v2",
        )
        assert await gateway.stop() == 0


def state(desk: Workstation, position: str) -> str:
    found = desk.status(position).state
    return "" if found is None else f"{found.state}"


def text(desk: Workstation, position: str) -> str:
    found = desk.status(position).state
    assert found is not None
    return found.text
