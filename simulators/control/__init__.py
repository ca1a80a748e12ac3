"""Control of a simulated post: its socket, and the requests that it takes."""

from simulators.control.control_socket import (
    SOCKET_NAME,
    CommandHandler,
    ControlSocket,
    send_command,
    send_command_blocking,
)

__all__ = ["SOCKET_NAME", "CommandHandler", "ControlSocket", "send_command", "send_command_blocking"]
