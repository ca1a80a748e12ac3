"""Texts for connection problems of a workstation: address, reason, remedy."""

import errno
import socket
import ssl

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from gateway.client.models import ConnectionProblem
from gateway.client.mqtt.connection import NOT_AUTHORISED
from gateway.contract.topics import TRAINING_ROOT

BAD_CREDENTIALS = 0x86  # MQTT 5, section 3.2.2.2
_REMEDIES: dict[int, str] = {
    errno.ECONNREFUSED: "Start the broker, or correct the port (`borderpost demo` prints its own).",
    errno.EHOSTUNREACH: "Check the address and the network.",
    errno.ENETUNREACH: "Check the address and the network.",
}


def log_problem(problem: ConnectionProblem) -> None:
    """Log a problem as a sentence for a person at a terminal."""
    log_warning(str(problem))


def log_warning(text: str) -> None:
    """Log a sentence for a person at a terminal."""
    # Loading it takes a tenth of the time of this package's import, and few workstations have a problem.
    import structlog

    structlog.get_logger().warning(text)


def not_connected(address: str, error: BaseException) -> ConnectionProblem:
    """Explain why there is no connection to the broker at `address` (`host:port`)."""
    why, how = _why(error)
    return ConnectionProblem(address, f"No connection to the MQTT broker at {address}: {why}.", how)


def no_gateway(address: str, site: str, root: str) -> ConnectionProblem:
    """Explain a broker without a gateway of the site under the topic root."""
    how = "Start the gateway, or correct the site; "
    if root == TRAINING_ROOT:
        how += "for a post in production, leave out training=True."
    else:
        how += "for a post in training, as that of `borderpost demo`, add training=True."
    text = f"The broker at {address} knows no gateway of site {site} under {root}/{site}/."
    return ConnectionProblem(address, text, how)


def _why(error: BaseException) -> tuple[str, str]:
    for cause in _chain(error):
        code = cause.rc if isinstance(cause, aiomqtt.MqttCodeError) else None
        value = code.value if isinstance(code, ReasonCode) else None
        match cause:
            case _ if value in (BAD_CREDENTIALS, NOT_AUTHORISED):
                return "it refuses this user name, password or certificate", "Compare them with the broker's."
            case ssl.SSLError():
                return f"TLS failed ({cause.reason or cause})", "Check the certificates and the port."
            case socket.gaierror():
                return "the host name cannot be resolved", "Check the name, or give an address."
            case TimeoutError():
                return "it does not respond", "Check the address and the network."
            case OSError() if cause.errno is not None:
                remedy = _REMEDIES.get(cause.errno, "Check that the broker is running.")
                return (cause.strerror or str(cause)).lower(), remedy
    return str(error) or type(
        error
    ).__name__, "Check that the broker is running, and speaks MQTT 5 at this port."


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
