"""Base class of drivers: open, watch, commands, self-test. A driver never retries, logs or publishes."""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field

from drivers.command import CommandSpec, commands_of
from drivers.links.link import Action, Cause, Direction
from drivers.observation import DataModel, Observation, OpenEnum
from drivers.record import DeviceRecord
from drivers.self_test import SelfTestContext, SelfTestLevel, SelfTestStep
from drivers.vocabulary import Vocabulary

_FAMILY = re.compile(r"[a-z][a-z0-9_]{0,31}")

if TYPE_CHECKING:
    # A workstation loads this module for the states of devices, and no link.
    from drivers.links.factory import LinkFactory
    from drivers.links.settings import Settings


class Family(StrEnum):
    """Kind of device, independent of its manufacturer."""

    PASSPORT_READER = "passport_reader"
    FINGERPRINT_SCANNER = "fingerprint_scanner"
    CAMERA = "camera"
    BARRIER = "barrier"
    CARD_READER = "card_reader"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Return another kind, which a package brings, as `Family("luggage_scale")`.

        It is equal to every other of that word, but not identical. What cannot be a kind reads as `unknown`.
        """
        if not isinstance(value, str):
            return None
        if not _FAMILY.fullmatch(value):
            return cls.UNKNOWN
        other = str.__new__(cls, value)
        other._name_, other._value_ = value.upper(), value
        return other


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
    driver_api: ClassVar[int] = 1
    """Version of this interface that it was written for, `drivers.DRIVER_API` of that day."""
    vocabulary: ClassVar[Vocabulary | None] = None
    """Vocabulary of its package; None: it has no observations and commands but those of this project."""
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

    @classmethod
    def command_name(cls, verb: str) -> str:
        """Return the name of a command in the contract: under its package's namespace or its family."""
        own = "" if cls.vocabulary is None else f"{cls.vocabulary.namespace}.{verb}"
        is_own = cls.vocabulary is not None and own in {one.name for one in cls.vocabulary.commands}
        return own if is_own else f"{cls.family}.{verb}"

    @classmethod
    def schema_version(cls, name: str) -> int:
        """Return the version of the schemas of an event type or a command."""
        return cls.vocabulary.version if cls.vocabulary is not None and cls.vocabulary.owns(name) else 1

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


def yield_fault(driver: type[Driver[Any]], item: object) -> str | None:
    """Return the fault of an item that `watch` of a driver yielded, as a clause; None: there is none."""
    match item:
        case BadFrame() | Status() | PreviewFrame():
            return None
        case Observation() if any(one.event_type == item.event_type for one in driver.observation_types):
            return None
        case Observation():
            return f"its watch yields {type(item).__name__}, which is not in its observation_types"
    name = type(item).__name__
    return f"its watch yields a {name}, which is no Observation, BadFrame, Status or PreviewFrame"
