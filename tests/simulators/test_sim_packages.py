"""Simulators of other packages join a simulated post, and a fault of one has a sentence."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.packages import Install, install
from support.patience import PATIENCE_S

from simulators import packages
from simulators.errors import SimulatorError
from simulators.postfile import PostFileError, load_post
from simulators.registry import parse_settings

__all__ = ["install"]

SIMULATOR = """
from typing import Literal
from pydantic import Field, field_validator
from simulators.simulator import Simulator, SimulatorSettings

class Scale(Simulator):
    def __init__(self, settings): self.settings = settings
    async def run(self, emit):
        import asyncio
        emit("ready", {"mass_kg": self.settings.mass_kg})
        await asyncio.Event().wait()
    async def handle_command(self, verb, arguments):
        return {"mass_kg": self.settings.mass_kg}

class Settings(SimulatorSettings):
    kind: Literal["acme-scale"]
    mass_kg: float = Field(23.4, description="Mass on the scale, in kilograms.")
    def build(self): return Scale(self)
"""
TABLE = {"name": "lane-1/scale", "kind": "acme-scale"}


@pytest.fixture(autouse=True)
def _searched_again() -> Iterator[None]:
    packages.simulator_points.cache_clear()
    yield
    packages.simulator_points.cache_clear()


def install_simulator(install: Install, text: str = SIMULATOR, name: str = "acme-scale") -> None:
    kind = "acme-scale" if "anpr-axis" not in text else "anpr-axis"
    install(name, text, simulators={kind: f"{name.replace('-', '_')}:Settings"})
    packages.simulator_points.cache_clear()


def test_kind_of_package_is_built(install: Install, tmp_path: Path) -> None:
    install_simulator(install)
    file = tmp_path / "post.toml"
    file.write_text('[[simulator]]\nname = "lane-1/scale"\nkind = "acme-scale"\nmass_kg = 5\n')
    (settings,) = load_post(file)
    assert settings.summary() == TABLE
    events: list[object] = []

    async def run() -> None:
        device = settings.build()
        running = asyncio.create_task(device.run(lambda name, details: events.append((name, dict(details)))))
        async with asyncio.timeout(PATIENCE_S):
            while not events:
                await asyncio.sleep(0)
        assert await device.handle_command("status", {}) == {"mass_kg": 5.0}
        running.cancel()

    asyncio.run(run())
    assert events == [("ready", {"mass_kg": 5.0})]


def test_unknown_kind_lists_those_of_packages(install: Install) -> None:
    install_simulator(install)
    with pytest.raises(SimulatorError, match=r"kind: 'toaster' is not one of acme-scale, anpr-axis, .*"):
        parse_settings(TABLE | {"kind": "toaster"})


def test_wrong_setting_has_its_key(install: Install, tmp_path: Path) -> None:
    install_simulator(install)
    file = tmp_path / "post.toml"
    file.write_text('[[simulator]]\nname = "lane-1/scale"\nkind = "acme-scale"\nmass = 5\n')
    with pytest.raises(PostFileError, match=r"post.toml:4: .*mass"):
        load_post(file)


def test_clash_names_both_packages(install: Install) -> None:
    install_simulator(install)
    install_simulator(install, name="other-scale")
    with pytest.raises(SimulatorError, match=r"acme-scale 1.2 and other-scale 1.2; uninstall one of them"):
        parse_settings(TABLE)


def test_ours_is_not_replaced(install: Install) -> None:
    """A package registers the kind of our simulator: ours is built, and the fault is told."""
    from simulators.camera.anpr.axis import AxisSettings
    from simulators.registry import kind_faults

    install_simulator(install, SIMULATOR.replace("acme-scale", "anpr-axis"))
    settings = parse_settings(
        {"name": "lane-1/camera", "kind": "anpr-axis", "port": 0, "push_to": "http://127.0.0.1:1/"}
    )
    assert isinstance(settings, AxisSettings)
    assert kind_faults("anpr-axis") == (
        "the kind anpr-axis belongs to the gateway's own simulators; choose another",
    )


FAULTS = {
    "raises": ("raise OSError('no licence')", "OSError: no licence"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "no_settings": ("Settings = 5", "it is no subclass of simulators.simulator.SimulatorSettings"),
    "no_kind": (
        SIMULATOR.replace('kind: Literal["acme-scale"]', "kind: str"),
        'its field kind is not declared as `kind: Literal["acme-scale"]`, the name of its entry point',
    ),
    "no_build": (
        SIMULATOR.replace("def build", "def make"),
        "it has no method build, which makes the simulator",
    ),
    "open": (
        SIMULATOR + '    model_config = {"extra": "allow"}\n',
        "its settings accept unknown keys, so that a mistyped one is not found",
    ),
    "no_description": (
        SIMULATOR.replace('Field(23.4, description="Mass on the scale, in kilograms.")', "23.4"),
        "its setting mass_kg has no description",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_simulator_has_sentence(install: Install, fault: str) -> None:
    text, sentence = FAULTS[fault]
    install_simulator(install, text)
    with pytest.raises(SimulatorError) as raised:
        parse_settings(TABLE)
    assert str(raised.value) == f"kind: acme-scale of acme-scale 1.2 cannot be used: {sentence}"


def test_error_in_settings_ends_nothing(install: Install) -> None:
    broken = SIMULATOR + (
        '    @field_validator("mass_kg")\n    @classmethod\n'
        '    def check(cls, value): raise OSError("gone")\n'
    )
    install_simulator(install, broken)
    with pytest.raises(SimulatorError, match=r"kind: acme-scale of acme-scale 1.2: OSError in its settings"):
        parse_settings(TABLE | {"mass_kg": 1})
