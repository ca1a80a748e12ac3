"""Control of a simulated post: its socket and port, their client, and the requests that they take."""

from simulators.control.client import send_command, send_command_blocking
from simulators.control.control_port import ControlPort, parse_listen, read_or_make_token
from simulators.control.control_socket import SOCKET_NAME, ControlSocket
from simulators.control.conversations import CommandHandler

__all__ = [
    "SOCKET_NAME",
    "CommandHandler",
    "ControlPort",
    "ControlSocket",
    "parse_listen",
    "read_or_make_token",
    "send_command",
    "send_command_blocking",
]
