"""Whether what speaks plays a recording: a pseudo-terminal's size and a service's header say so.

A terminal's size belongs to the terminal, not to its name, and nothing else uses that of a serial line
(`TIOCSWINSZ`, ioctl_tty(2)). It makes no difference to a post in production, which refuses every pseudo-
terminal.
"""

import fcntl
import struct
import termios

REPLAYED = b"replayed"
"""As rows, columns, width and height: a size that no window has."""


def replays(descriptor: int) -> bool:
    """Whether the other end of this terminal plays a recording."""
    size = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return struct.pack(">4H", *size) == REPLAYED
