"""What a driver is: it declares, opens, watches, obeys and closes. It never retries, logs or publishes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field

from drivers.command import CommandSpec, commands_of
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, Direction
from drivers.links.settings import Settings
from drivers.observation import DataModel, Observation, OpenEnum
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep


class Family(OpenEnum):
    """What kind of device it is, whoever made it."""

    PASSPORT_READER = "passport_reader"
    FINGERPRINT_SCANNER = "fingerprint_scanner"
    CAMERA = "camera"
    BARRIER = "barrier"
    CARD_READER = "card_reader"
    UNKNOWN = "unknown"


class StateCode(OpenEnum):
    """How a device is."""

    STARTING = "starting"
    ONLINE = "online"
    BUSY = "busy"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    NO_DEVICE = "no_device"
    FAULT = "fault"
    MAINTENANCE = "maintenance"
    PENDING = "pending"
    """A new serial number waits for a technician to accept it."""
    UNKNOWN = "unknown"


class Identity(DataModel):
    """Which device answered. The position keeps topic and settings, the serial number counters."""

    unredacted_fields = frozenset({"manufacturer", "model", "serial_number", "firmware"})

    model: str = Field(description="Model as the device or its USB descriptor says it.", examples=["OCR315e"])
    manufacturer: str | None = Field(None, description="Who made it, where known.", examples=["Access-IS"])
    serial_number: str | None = Field(
        None, description="The device's own serial number, where it has one.", examples=["SIM0001"]
    )
    firmware: str | None = Field(None, description="Firmware version, where it tells.", examples=["2.14"])


SettingsT = TypeVar("SettingsT", bound=Settings)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that mean nothing: counted and kept for the technician, never published."""

    fault: str
    wire: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How a device whose link stands is now, where that is news: busy, degraded, or all well again."""

    state: StateCode
    cause: Cause | None = None
    text: str = ""
    action: Action = Action.NONE
    how: str = ""


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """A picture of this moment for the eyes of one station, shown at once or never, and kept nowhere."""

    station: str
    content: bytes = field(repr=False)
    """JPEG; empty: what was shown is over, and is wiped."""


class Driver(ABC, Generic[SettingsT]):
    """A device of one model. A new instance is made for every open, so nothing is remembered across them."""

    family: ClassVar[Family]
    settings_model: ClassVar[type[Settings]]
    observation_types: ClassVar[tuple[type[Observation], ...]]
    """Every observation it can yield; advertised in the device's description."""
    commands: ClassVar[Mapping[str, CommandSpec]] = MappingProxyType({})
    """Every command it obeys, by verb; see `drivers.command.command`."""
    usb_ids: ClassVar[Collection[tuple[int, int]]] = ()
    """Vendor and product numbers of what can only be its device, whatever the post."""
    anonymizer: ClassVar[str] = ""
    """`module:function` that anonymizes its recordings; see `drivers.anonymize.anonymizer.Anonymizer`."""

    self_test_levels: ClassVar[tuple[SelfTestLevel, ...]] = ()
    """The levels of check at which it tries something itself; see `check`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the commands that it declares."""
        super().__init_subclass__(**kwargs)
        cls.commands = MappingProxyType(commands_of(cls))

    def __init__(self, settings: SettingsT, links: LinkFactory) -> None:
        self.settings = settings
        self.links = links

    @abstractmethod
    async def open(self) -> Identity:
        """Open the link and find out who answers; raises LinkError when nobody does."""

    @abstractmethod
    def watch(self) -> AsyncIterator[Observation | BadFrame | Status | PreviewFrame]:
        """Yield what the device says; raises LinkError when the link fails."""

    def on_claim_changed(self, station: str | None) -> None:
        """Learn which station has the device to itself from now on; None: no station has."""

    @staticmethod
    def describe_chunk(_direction: Direction, _chunk: bytes, /) -> str:
        """What a chunk on its wire means, in a few words and without what it says; "": nothing is known."""
        return ""

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Try the device beside `watch`, at a level that `checks` names; raises LinkError, Refused, Failed.

        A check is called off when the device goes away or it takes too long; what it has switched on it
        switches off again in a `finally`.
        """
        raise NotImplementedError(trial.level)

    async def close(self) -> None:
        """Leave the device as found. The links close by themselves afterwards."""
