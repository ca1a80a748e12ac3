"""Driver of another package, installed as packages are: by its metadata on the path."""

import importlib
import importlib.metadata
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import drivers.packages.entry_points
import drivers.registry
import gateway.config.loader
from gateway.config import Post, load

ROOT = Path(__file__).parents[3]

DRIVERS = """
from typing import Annotated, Literal
from pydantic import Field, field_validator
from drivers.driver import Driver, Family
from drivers.links.settings import Settings


class Light(Settings):
    level: int = Field(50, ge=0, le=100, description="Brightness, in percent.", examples=[50])


class Bell(Settings):
    model: Literal["bell"]
    volume: int = Field(ge=0, le=10, description="How loud.", examples=[3])


class Horn(Settings):
    model: Literal["horn"] = Field(description="Which one.", examples=["horn"])


class KivuSettings(Settings):
    port: str = Field(description="Where it is plugged in.", examples=["usb:0DB5:0137"])
    baud: int = Field(9600, description="Bits per second.", examples=[9600])
    parity: Literal["N", "E", "O"] = Field("N", description="Parity: none, even, odd.", examples=["N"])
    gap_s: float = Field(0.5, gt=0, le=5, description="Silence after a frame, in seconds.", examples=[1])
    api_token: str = Field("", max_length=8, pattern="^[a-z]*$", description="A token.", examples=["x"])
    secret_code: str = Field("none", description="What it also asks for.", examples=["none"])
    light: Light = Field(Light(), description="Its light.", examples=[{"level": 50}])
    sound: Annotated[Bell | Horn, Field(discriminator="model")] | None = Field(None, description="Its sound.")
    retries: tuple[int, ...] = Field((), description="Waits, in seconds.", examples=[[1, 2]])

    @field_validator("baud")
    @classmethod
    def _a_rate(cls, baud: int) -> int:
        if baud not in (1200, 9600, 115200):
            raise ValueError(f"{baud} is not a rate this port can run at; choose one of 1200, 9600, 115200")
        return baud

    @field_validator("secret_code")
    @classmethod
    def _a_code(cls, code: str) -> str:
        if code != "none":
            raise ValueError(f"{code} is no code; {code} again")
        return code


class Kivu(Driver[KivuSettings]):
    family = Family.PASSPORT_READER
    settings_model = KivuSettings
    observation_types = ()

    async def open(self):
        raise NotImplementedError

    def watch(self):
        raise NotImplementedError


class Unfinished(Kivu):
    settings_model = dict
"""
ENTRY_POINTS = """
[borderpost.drivers]
kivu = kivu_drivers:Kivu
kivu-unfinished = kivu_drivers:Unfinished
kivu-broken = kivu_drivers_that_do_not_exist:Kivu
"""


@pytest.fixture(autouse=True)
def _kivu(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path_factory.mktemp("site")
    (site / "kivu_drivers.py").write_text(DRIVERS)
    metadata = site / "kivu_drivers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: kivu-drivers\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("kivu_drivers", None)


@pytest.fixture
def post(tmp_path: Path) -> Callable[..., Post]:
    """Function that loads a text as a post's file, with an environment of its own."""

    def _load(text: str, **environ: str) -> Post:
        file = tmp_path / "busia.toml"
        file.write_text(text)
        return load(file, environ)

    return _load


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the installed drivers by those of pyproject.toml, installed or not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    group = drivers.packages.entry_points.DRIVERS
    points = {
        name: importlib.metadata.EntryPoint(name, place, group)
        for name, place in project["entry-points"][group].items()
    }
    for module in (drivers.registry, gateway.config.loader):
        monkeypatch.setattr(module, "installed_drivers", lambda: points)
