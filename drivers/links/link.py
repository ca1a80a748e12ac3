"""Common parts of all links: causes of failure, their error, and the tap for traces."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from drivers.installation import OURS, how_to_mend
from drivers.observation import OpenEnum


class Cause(OpenEnum):
    """Cause of a state other than online: a code, the key of catalogues of sentences."""

    NO_DEVICE = "no_device"
    """No device is plugged in at the address."""
    UNPLUGGED = "unplugged"
    """The device was disconnected while open."""
    PORT_HELD = "port_held"
    """Another program uses the port."""
    NO_PERMISSION = "no_permission"
    """The operating system denies access."""
    NO_RESPONSE = "no_response"
    """The device is present but does not respond as expected."""
    WRONG_DEVICE = "wrong_device"
    """A device responds, but not the one of the configuration."""
    WRONG_FORMAT = "wrong_format"
    """A device sends, but not in the format of the configuration: framing, rate, keyboard layout."""
    ADDRESS_AMBIGUOUS = "address_ambiguous"
    """The address fits more than one device."""
    LINK_FAILED = "link_failed"
    """The operating system reports an error of the link."""
    SIMULATED = "simulated"
    """A production post refuses a simulated device."""
    DEVICE_FAULT = "device_fault"
    """The device responds and reports a fault."""
    EMERGENCY = "emergency"
    """An emergency is active, or its end is not acknowledged yet."""
    MAINTENANCE = "maintenance"
    """The device is under maintenance: no movement by remote command until its end."""
    SENSOR_DIRTY = "sensor_dirty"
    """The device works, but its sensor or window needs cleaning."""
    TAMPERED = "tampered"
    """The device works and reports that it was opened or torn off."""
    CHANNEL_INSECURE = "channel_insecure"
    """The device works, but its protection is not active."""
    REPLACEMENT_NOT_ACCEPTED = "replacement_not_accepted"
    """Another device than before is present, and no technician has accepted it."""
    WRONG_FIRMWARE = "wrong_firmware"
    """The device works, but with another firmware than the configuration expects."""
    CLOCK_WRONG = "clock_wrong"
    """The device works, but its clock is wrong, and so are its timestamps."""
    WORKER_CRASHED = "worker_crashed"
    """The worker process of the device ended by itself."""
    HEARTBEAT_LOST = "heartbeat_lost"
    """The worker process sent no heartbeat and was replaced."""
    WORKER_VIOLATION = "worker_violation"
    """The worker process sent what its driver may not send, and was ended."""
    BABBLING = "babbling"
    """The device sends more than its budget allows; the excess is dropped."""
    CPU_EXCEEDED = "cpu_exceeded"
    """The worker process of the device has used a whole processor for minutes."""
    CONNECTIONS_HELD = "connections_held"
    """Connections that send nothing occupy the listener; the oldest of them are closed."""
    DRIVER_UNUSABLE = "driver_unusable"
    """The driver is not installed, or its package is faulty: no worker is started for the device."""
    FORBIDDEN_CALL = "forbidden_call"
    """The worker process made a system call that no driver makes, and was ended."""
    DRIVER_ERROR = "driver_error"
    """The driver met an unexpected error."""
    UNKNOWN = "unknown"


class Action(OpenEnum):
    """Action of a person that resolves a state."""

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
    """Failure of a link, or of opening it, with its cause and remedy.

    The sentences name ports and programs, never a byte of device data.
    """

    def __init__(
        self,
        cause: Cause,
        text: str,
        action: Action,
        how: str = "",
        retry_when: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`retry_when` returns at an event that makes another attempt worthwhile at once."""
        super().__init__(text)
        self.cause = cause
        self.text = text
        self.action = action
        self.how = how
        self.retry_when = retry_when


class CredentialsRefusedError(LinkError):
    """Refusal of a configured user name and password. Devices lock an account after a few of them."""


def credentials_error(
    url: str,
    username: str | None,
    hint: str,
    retry_when: Callable[[], Awaitable[None]] | None = None,
    detail: str = "",
) -> LinkError:
    """Return the error of a service that refuses the configured credentials, or requires some.

    `hint`: end of the remedy, after the names of the two settings; `detail`: end of the sentence.
    """
    if username is None:
        return LinkError(
            Cause.NO_PERMISSION,
            f"{url} requires a user name and a password{detail}.",
            Action.CONFIGURE,
            f"Add `username` and `password`{hint}",
            retry_when,
        )
    return CredentialsRefusedError(
        Cause.NO_PERMISSION,
        f"{url} refuses these credentials{detail}.",
        Action.CONFIGURE,
        f"Correct `username` and `password`{hint} If they are correct, the device may have "
        "locked the account: unlock it there.",
        retry_when,
    )


Direction = Literal["in", "out"]


class Tap(Protocol):
    """Callback for every chunk of bytes that crosses a link; `in` is from the device to the gateway."""

    def __call__(self, direction: Direction, chunk: bytes) -> None:
        """Take note of a chunk; must not raise or block."""
        ...


class NotInstalledError(LinkError):
    """A library missing from this installation: `text` names it, the remedy says how to install `extra`."""

    def __init__(self, text: str, extra: str, distribution: str = OURS) -> None:
        how = how_to_mend(extra, distribution)
        super().__init__(Cause.DRIVER_ERROR, text, Action.CONFIGURE, how)
        self.extra = extra
        self.distribution = distribution
