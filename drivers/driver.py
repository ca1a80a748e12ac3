"""Base class of drivers: open, watch, commands, self-test. A driver never retries, logs or publishes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import Field

from drivers.command import CommandSpec, commands_of
from drivers.links.link import Action, Cause, Direction
from drivers.observation import DataModel, Observation, OpenEnum
from drivers.record import DeviceRecord
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep

if TYPE_CHECKING:
    # A workstation loads this module for the states of devices, and no link.
    from drivers.links.factory import LinkFactory
    from drivers.links.settings import Settings


class Family(OpenEnum):
    """Kind of device, independent of its manufacturer."""

    PASSPORT_READER = "passport_reader"
    FINGERPRINT_SCANNER = "fingerprint_scanner"
    CAMERA = "camera"
    BARRIER = "barrier"
    CARD_READER = "card_reader"
    UNKNOWN = "unknown"


class StateCode(OpenEnum):
    """State of a device."""

    STARTING = "starting"
    ONLINE = "online"
    BUSY = "busy"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    NO_DEVICE = "no_device"
    FAULT = "fault"
    MAINTENANCE = "maintenance"
    AWAITING_ACCEPTANCE = "awaiting_acceptance"
    """A new serial number waits for acceptance by a technician."""
    UNKNOWN = "unknown"


class Identity(DataModel):
    """Identity of the opened device.

    Topic and settings belong to the position, counters to the serial number.
    """

    unredacted_fields = frozenset({"manufacturer", "model", "serial_number", "firmware"})

    model: str = Field(
        description="Model, as stated by the device or its USB descriptor.", examples=["OCR315e"]
    )
    manufacturer: str | None = Field(
        default=None, description="Manufacturer, where known.", examples=["Access-IS"]
    )
    serial_number: str | None = Field(
        default=None, description="Serial number stated by the device, if any.", examples=["SIM0001"]
    )
    firmware: str | None = Field(
        default=None, description="Firmware version, where the device states it.", examples=["2.14"]
    )


SettingsT = TypeVar("SettingsT", bound="Settings")


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes without a valid meaning: counted and kept for the technician, never published."""

    fault: str
    wire: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Change of the state of a connected device: busy, degraded, or online again."""

    state: StateCode
    cause: Cause | None = None
    text: str = ""
    action: Action = Action.NONE
    how: str = ""


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """A preview frame for one station: shown at once or dropped, never stored."""

    station: str
    content: bytes = field(repr=False)
    """JPEG; empty: the preview has ended, and the last frame is to be cleared."""


class Driver(ABC, Generic[SettingsT]):
    """A device of one model. Every open uses a new instance, so no state but `record` survives a reopen."""

    family: ClassVar[Family]
    settings_model: ClassVar["type[Settings]"]
    observation_types: ClassVar[tuple[type[Observation], ...]]
    """Types of observations it can yield; advertised in the device's description."""
    commands: ClassVar[Mapping[str, CommandSpec]] = MappingProxyType({})
    """Commands it supports, by verb; see `drivers.command.command`."""
    usb_ids: ClassVar[Collection[tuple[int, int]]] = ()
    """Vendor and product ids that belong only to its device, at any post."""
    anonymizer: ClassVar[str] = ""
    """`module:function` that anonymizes its recordings; see `drivers.anonymize.anonymizer.Anonymizer`."""

    self_test_levels: ClassVar[tuple[SelfTestLevel, ...]] = ()
    """Levels at which it tests the device itself; see `self_test`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the declared commands."""
        super().__init_subclass__(**kwargs)
        cls.commands = MappingProxyType(commands_of(cls))

    def __init__(self, settings: SettingsT, links: "LinkFactory") -> None:
        self.settings = settings
        self.links = links
        self.record = DeviceRecord()
        """Record that survives this instance; set before `open`."""

    @abstractmethod
    async def open(self) -> Identity:
        """Open the link and identify the device; raises LinkError when no device responds."""

    @abstractmethod
    def watch(self) -> AsyncIterator[Observation | BadFrame | Status | PreviewFrame]:
        """Yield observations of the device; raises LinkError when the link fails."""

    def on_claim_changed(self, station: str | None) -> None:
        """Take note of the station that holds the claim from now on; None: no station."""

    @staticmethod
    def describe_chunk(_direction: Direction, _chunk: bytes, /) -> str:
        """Summarize a chunk of device bytes in a few words, without its content; "" where unknown."""
        return ""

    def self_test(self, trial: SelfTestContext) -> AsyncGenerator[SelfTestStep]:
        """Test the device beside `watch`, at one of `self_test_levels`.

        Raises LinkError, CommandRefusal, CommandFailure. A self-test is cancelled when the device is
        disconnected or the time limit is reached; a `finally` switches off again all that the test has
        switched on.
        """
        raise NotImplementedError(trial.level)

    async def close(self) -> None:
        """Restore the device's initial settings. The links close afterwards by themselves."""
