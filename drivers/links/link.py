"""What all links have in common: how they fail, and how they are traced."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from drivers.observation import OpenEnum


class Cause(OpenEnum):
    """Why a device is not online, as a code that machines and catalogues of sentences key on."""

    NO_DEVICE = "no_device"
    """Nothing is plugged in at the address."""
    UNPLUGGED = "unplugged"
    """It was there and went away while open."""
    PORT_HELD = "port_held"
    """Another program has the port."""
    NO_PERMISSION = "no_permission"
    """The operating system refuses to open it."""
    NO_RESPONSE = "no_response"
    """It is there and does not answer as this device would."""
    WRONG_DEVICE = "wrong_device"
    """Something answered, but it is not what the configuration names."""
    ADDRESS_AMBIGUOUS = "address_ambiguous"
    """The address fits more than one device."""
    LINK_FAILED = "link_failed"
    """The operating system reports an error on the wire."""
    SIMULATED = "simulated"
    """A production post refuses a device that is not real."""
    DEVICE_FAULT = "device_fault"
    """It answers, and reports that it is broken."""
    EMERGENCY = "emergency"
    """An emergency is on, or nobody has acknowledged yet that it is over."""
    MAINTENANCE = "maintenance"
    """Somebody works on it: until they have done, it is not moved from afar."""
    SENSOR_DIRTY = "sensor_dirty"
    """It works, but what it looks through should be cleaned."""
    TAMPERED = "tampered"
    """It works, and says that somebody has opened it or torn it off."""
    CHANNEL_INSECURE = "channel_insecure"
    """It works, and what should protect it is not in force."""
    REPLACEMENT_NOT_ACCEPTED = "replacement_not_accepted"
    """Another one than before is there, and nobody has said that it may."""
    WRONG_FIRMWARE = "wrong_firmware"
    """It works, but runs another firmware than the configuration expects."""
    CLOCK_WRONG = "clock_wrong"
    """It works, but its clock is wrong, and so are the times that it gives."""
    WORKER_CRASHED = "worker_crashed"
    """The worker process of the device ended by itself."""
    HEARTBEAT_LOST = "heartbeat_lost"
    """The worker process stopped giving signs of life and was replaced."""
    DRIVER_ERROR = "driver_error"
    """The driver met something its author did not think of."""
    UNKNOWN = "unknown"


class Action(OpenEnum):
    """What a person should do about a state."""

    NONE = "none"
    WAIT = "wait"
    REPLUG = "replug"
    CLEAN = "clean"
    RESTART = "restart"
    CONFIGURE = "configure"
    CALL_SUPPORT = "call_support"
    REPLACE = "replace"
    UNKNOWN = "unknown"


class LinkError(Exception):
    """The link cannot be opened or has failed; says what happened and what a person should do about it.

    The sentences name ports and programs, never a byte of what was read.
    """

    def __init__(
        self,
        cause: Cause,
        text: str,
        action: Action,
        how: str = "",
        retry_when: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`again` ends when something has happened that makes another attempt worth while at once."""
        super().__init__(text)
        self.cause = cause
        self.text = text
        self.action = action
        self.how = how
        self.retry_when = retry_when


Direction = Literal["in", "out"]


class Tap(Protocol):
    """Sees every chunk of bytes that crosses a link, `in` being from the device to us."""

    def __call__(self, direction: Direction, chunk: bytes) -> None:
        """Take note of a chunk; must not raise or block."""
        ...
