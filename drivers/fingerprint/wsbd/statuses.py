"""The sixteen statuses of WS-BD, and the errors that follow from them."""

from enum import StrEnum

from drivers.links.link import Action, Cause, LinkError


class WsBdStatus(StrEnum):
    """Status of an operation (SP 500-288, 3.10)."""

    SUCCESS = "success"
    FAILURE = "failure"
    INVALID_ID = "invalidId"
    CANCELED = "canceled"
    CANCELED_WITH_SENSOR_FAILURE = "canceledWithSensorFailure"
    SENSOR_FAILURE = "sensorFailure"
    LOCK_NOT_HELD = "lockNotHeld"
    LOCK_HELD_BY_ANOTHER = "lockHeldByAnother"
    INITIALIZATION_NEEDED = "initializationNeeded"
    CONFIGURATION_NEEDED = "configurationNeeded"
    SENSOR_BUSY = "sensorBusy"
    SENSOR_TIMEOUT = "sensorTimeout"
    UNSUPPORTED = "unsupported"
    BAD_VALUE = "badValue"
    NO_SUCH_PARAMETER = "noSuchParameter"
    PREPARING_DOWNLOAD = "preparingDownload"


def parse_status(word: str) -> WsBdStatus | None:
    """Return the status of that name; None for a word that WS-BD does not have."""
    if word == "noSuchParamter":  # as the schema has it
        return WsBdStatus.NO_SUCH_PARAMETER
    try:
        return WsBdStatus(word)
    except ValueError:
        return None


def status_error(word: str, doing: str) -> LinkError:
    """Return the error for a failed operation; `doing` names it, as `initialise the scanner`."""
    match parse_status(word):
        case WsBdStatus.INVALID_ID:
            return LinkError(
                Cause.LINK_FAILED,
                "The service has no session of the gateway any more.",
                Action.WAIT,
                "The gateway registers again by itself.",
            )
        case WsBdStatus.LOCK_HELD_BY_ANOTHER | WsBdStatus.LOCK_NOT_HELD:
            return LinkError(
                Cause.PORT_HELD,
                "Another client has taken the scanner's lock.",
                Action.WAIT,
                "Close the other program; or take the lock back with the command `steal-lock`.",
            )
        case WsBdStatus.SENSOR_BUSY:
            return LinkError(
                Cause.PORT_HELD,
                f"The service cannot {doing}: the scanner is busy with another operation.",
                Action.WAIT,
                "Restart the service if this continues.",
            )
        case WsBdStatus.SENSOR_FAILURE | WsBdStatus.CANCELED_WITH_SENSOR_FAILURE:
            return LinkError(
                Cause.DEVICE_FAULT,
                f"The service cannot {doing}: the scanner has failed.",
                Action.REPLUG,
                "Unplug the scanner, wait five seconds, plug it in again; then restart the service.",
            )
        case WsBdStatus.SENSOR_TIMEOUT:
            return LinkError(
                Cause.NO_RESPONSE,
                f"The service cannot {doing}: the scanner does not respond to it.",
                Action.REPLUG,
                "Unplug the scanner, wait five seconds, plug it in again.",
            )
        case (
            WsBdStatus.UNSUPPORTED
            | WsBdStatus.BAD_VALUE
            | WsBdStatus.NO_SUCH_PARAMETER
            | WsBdStatus.CONFIGURATION_NEEDED
        ):
            return LinkError(
                Cause.WRONG_DEVICE,
                f"The service cannot {doing} ({word}).",
                Action.CONFIGURE,
                "Set `parameters` and `submodalities` to the names in the service's own manual.",
            )
        case _:
            return LinkError(
                Cause.NO_RESPONSE,
                f"The service cannot {doing} ({word[:40]}).",
                Action.RESTART,
                "Restart the service; its own log has the details.",
            )
