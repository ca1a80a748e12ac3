"""A serial device on a pseudo-terminal.

A host can open its path and communicate, and the cable can be pulled. The device end is the pty's master. The
host opens the slave through a symlink at a path of our choice, which stays the same when the cable is pulled
and plugged in again though the pts number may change.

Behaviour of ptys, and how this module handles it (Linux, tty_io.c and pty.c):

- The master polls POLLHUP, and reads EIO, while no process has the slave open. This module therefore keeps
  no slave descriptor open: POLLHUP then shows whether a host is present.
- No event signals the end of that condition, so it is polled from time to time, but only without a host.
  With a host everything is event-driven.
- Settings belong to the slave and outlive its descriptors while the master is open. It is set raw and
  without echo before any host opens it: otherwise early output of the device would return as its input.
- Output written without a host would stay in the kernel and reach the next host, so nothing is written
  then, and output that a host did not read is dropped when it closes the port.
- A host that has just opened a port still flushes it, as pyserial does last of all, which discards earlier
  output. In packet mode (TIOCPKT, ioctl_tty(2)) the master is informed of the flush: every read begins
  with a byte of status, zero before data.

A host that closes the port and opens it again faster than one turn of the event loop is not noticed.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import struct
import termios
from pathlib import Path
from typing import Literal, Self

from simulators.errors import SimulatorError
from simulators.links.line import Line

REPLAYED = struct.unpack(">4H", b"replayed")
"""The size of a terminal that plays a recording."""

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _OSPEED, _CC = 0, 1, 2, 3, 5, 6
_BAUDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[1:].isdigit() and name[0] == "B"
}


class LineError(SimulatorError):
    """The line cannot be created at its path."""


class SerialLine(Line):
    """The device end of a serial line. An async context manager.

    A host that has opened the port counts as listening once it has flushed it or has written, and otherwise
    `settle_s` seconds after it opened the port. `look_s`: interval of checks for a host while there is none,
    in seconds. `replays`: the output was recorded; the size of the terminal says so.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        settle_s: float = 0.05,
        look_s: float = 0.025,
        replays: bool = False,
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self.settle_s = settle_s
        self.poll_s = look_s
        self.replays = replays
        self._master: int | None = None
        self._slave = ""
        self._host: Literal["absent", "arriving", "listening"] = "absent"
        self._visit = 0
        self._endings = 0
        """Number of calls of `end_output`."""
        self._held: bytearray | None = None
        """The host's output in a stalled adapter; None while the adapter works."""
        self._is_discarding = True
        self._watching: asyncio.TimerHandle | None = None

    @classmethod
    def open_at(
        cls,
        path: str | os.PathLike[str],
        *,
        settle_s: float = 0.05,
        look_s: float = 0.025,
        replays: bool = False,
    ) -> Self:
        """Return the line whose port will be at `path` once entered."""
        return cls(path, settle_s=settle_s, look_s=look_s, replays=replays)

    @property
    def address(self) -> str:
        """Path of the port."""
        return str(self.path)

    @property
    def is_plugged(self) -> bool:
        """True if the cable is plugged in, so that a port can be opened."""
        return self._master is not None

    @property
    def has_host(self) -> bool:
        """True if a host has the port open and has had time to configure it."""
        return self._host == "listening"

    @property
    def baud(self) -> int | None:
        """The rate that the host has set; None if it cannot be read. Transmission itself takes no time."""
        if self._master is None:
            return None
        # TCGETS on a pty's master returns the slave's settings.
        return _BAUDS.get(termios.tcgetattr(self._master)[_OSPEED])

    async def wait_for_host_close(self) -> None:
        """Wait until no process has the port open (or it is unplugged)."""
        await self._until(lambda: self._host == "absent")

    async def send(self, data: bytes, *, chunk: int | None = None, every_s: float = 0.0) -> bool:
        """Send `data` to the host, if requested in pieces of `chunk` bytes every `every_s` seconds.

        Returns whether a host read all of it; without a host the bytes are lost, as on a real line. Messages
        do not mix: a second one waits for the first. A host that closes the port ends the message; the next
        host does not get the rest.
        """
        endings = self._endings
        async with self._sending:
            if self._host == "absent" and self._master is not None:
                self._stop_settling()
                self._look()  # a host may have come since the last check
            await self._until(lambda: self._host != "arriving")
            if endings != self._endings:
                return False
            visit, step = self._visit, chunk or max(len(data), 1)
            for start in range(0, len(data), step):
                if start:
                    await asyncio.sleep(every_s)
                if not await self._write(data[start : start + step], visit):
                    return False
            return self.has_host

    def end_output(self) -> None:
        """End the messages that have begun or wait: the host gets no more of them."""
        self._visit += 1
        self._endings += 1

    def unplug(self, for_s: float | None = None) -> None:
        """Pull the cable: the path vanishes, the host's descriptor hangs up.

        Plug it in again after `for_s` seconds.
        """
        if self._master is not None:
            self._stop_watching()
            if self._link_is_ours():
                self.path.unlink()
            os.close(self._master)
            self._master = None
            self._see("absent")
        self._replug_after(for_s)

    def replug(self) -> None:
        """Plug in the cable: a new pty at the same path. Raises LineError if the path is taken."""
        self._forget_replugging()
        if self._master is not None or self._closed:
            return
        master, slave = os.openpty()
        try:
            self._slave = os.ttyname(slave)
            _set_raw(slave)
            os.set_blocking(master, False)
            fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
            if self.replays:
                fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", *REPLAYED))
            self._link()
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        self._master = master
        self._look()

    def stall(self, *, is_discarding: bool = True) -> None:
        """Hold the host's output, as an adapter that stalls, until `end_stall`.

        With `is_discarding`, output that the host discards (TCOFLUSH) is not transmitted later. A UART of the
        machine does that; most drivers of USB adapters do not.
        """
        self._held, self._is_discarding = bytearray(), is_discarding

    def end_stall(self) -> None:
        """Transmit the output that was held."""
        held, self._held = self._held, None
        if held:
            self._take(bytes(held))

    # Host opens, writes, closes.

    def _look(self) -> None:
        """Check for a host; while there is none, check again later."""
        self._watching = None
        if self._master is None:
            return
        events, loop = _poll(self._master), asyncio.get_running_loop()
        if events & select.POLLHUP:
            self._watching = loop.call_later(self.poll_s, self._look)
        else:
            loop.add_reader(self._master, self._read)
            self._see("arriving")
            self._watching = loop.call_later(self.settle_s, self._see, "listening")
        if events & select.POLLIN:
            # It wrote before this check. Its output counts, even if it has closed the port since.
            self._read()

    def _read(self) -> None:
        assert self._master is not None
        try:
            packet = os.read(self._master, 4096)
        except BlockingIOError:
            return
        except OSError:  # EIO: the host has closed the port
            self._on_host_closed()
            return
        status, data = packet[0], packet[1:]
        if self._host == "arriving" and (data or status & termios.TIOCPKT_FLUSHREAD):
            # A host writes only after it has configured the port.
            self._stop_settling()
            self._see("listening")
        if status & termios.TIOCPKT_FLUSHWRITE and self._held and self._is_discarding:
            self._held.clear()
        if not data:
            return
        if self._held is None:
            self._take(data)
        else:
            self._held += data

    def _on_host_closed(self) -> None:
        assert self._master is not None
        self._stop_watching()
        self._see("absent")
        if _poll(self._master) & select.POLLHUP:
            self._drop_unread()
        self._look()

    def _drop_unread(self) -> None:
        """Discard output that the host did not read, and its settings."""
        assert self._master is not None
        # Only the output: the next host may be writing already.
        termios.tcflush(self._master, termios.TCOFLUSH)
        with contextlib.suppress(OSError, termios.error):
            slave = os.open(self._slave, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                _set_raw(slave)
                termios.tcflush(slave, termios.TCIFLUSH)
            finally:
                os.close(slave)
            os.read(self._master, 1)  # the notification of this flush, not of the next host

    def _stop_settling(self) -> None:
        if self._watching:
            self._watching.cancel()
            self._watching = None

    def _stop_watching(self) -> None:
        assert self._master is not None
        self._stop_settling()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)

    def _see(self, host: Literal["absent", "arriving", "listening"]) -> None:
        if host == "absent":
            self._visit += 1
        self._host = host
        self._wake()

    # Writing.

    async def _write(self, data: bytes, visit: int) -> bool:
        while data:
            if self._master is None or visit != self._visit or not self.has_host:
                return False
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._writable(self._master)
            except OSError:
                return False
        return True

    async def _writable(self, master: int) -> None:
        """Wait until the host has read some bytes, has closed the port or is cut off."""
        loop = asyncio.get_running_loop()
        loop.add_writer(master, self._wake)
        try:
            await self._change()
        finally:
            if self._master == master:
                loop.remove_writer(master)

    def _unread(self) -> int:
        """Return the number of bytes the host has not read yet; 0 without a host."""
        if self._master is None or self._host == "absent":
            return 0
        try:
            slave = os.open(self._slave, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            # Bytes pass through a kernel work queue before they count, and stay in it for long on a busy
            # machine; poll() of the slave makes the kernel finish that work (n_tty_poll).
            _poll(slave)
            (count,) = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, bytes(4)))
            return int(count)
        finally:
            os.close(slave)

    # The path.

    def _link(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_symlink() or self.path.exists():
                target = str(self.path.readlink()) if self.path.is_symlink() else ""
                # Replace only a symlink left by a simulator that was killed.
                if not target.startswith("/dev/pts/"):
                    raise LineError(
                        f"{self.path} exists and does not belong to a simulator: choose another path"
                    )
            fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._slave)
            fresh.replace(self.path)
        except OSError as error:
            raise LineError(f"cannot make {self.path}: {error.strerror}") from error

    def _link_is_ours(self) -> bool:
        return self.path.is_symlink() and str(self.path.readlink()) == self._slave


def _poll(descriptor: int) -> int:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return next((events for _, events in poll.poll(0)), 0)


def _set_raw(slave: int) -> None:
    """Set 8N1, byte by byte, no echo, no translation, as `cfmakeraw` does."""
    attributes = termios.tcgetattr(slave)
    attributes[_IFLAG] = attributes[_OFLAG] = attributes[_LFLAG] = 0
    attributes[_CFLAG] = termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[_CC][termios.VMIN], attributes[_CC][termios.VTIME] = 1, 0
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
