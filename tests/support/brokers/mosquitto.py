"""A real Mosquitto as a child process: started, stopped, killed, and started again on the same port."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from support.patience import PATIENCE_S
from support.ports import free_port

UNIT = Path(__file__).parents[3] / "systemd/mosquitto.service.d/borderpost.conf"
EXECUTABLE = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """One broker on loopback. Nothing is persistent: a restart loses all messages, as at a post.

    `options` are lines of mosquitto.conf, such as `max_packet_size 2000`; `acl` is an access list; `users`
    maps names to passwords (then anonymous clients are refused); `listener` are lines of the listener itself,
    such as certificates; `websockets` adds a second listener, for browsers.
    """

    def __init__(
        self,
        *options: str,
        acl: str | None = None,
        users: Mapping[str, str] | None = None,
        listener: tuple[str, ...] = (),
        port: int | None = None,
        websockets: bool = False,
    ) -> None:
        if EXECUTABLE is None:
            raise FileNotFoundError("mosquitto is not installed: apt install mosquitto")
        self.port = port or free_port()
        self.ws_port = free_port() if websockets else None
        self.host = "127.0.0.1"
        self.options = options
        self.acl = acl
        self.users = users
        self.listener = listener
        self._directory = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """True while the child process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the child."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Output of the broker."""
        path = self._directory / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> Self:
        """Start it, and return once it accepts connections."""
        self._write_configuration()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with (self._directory / "log").open("ab") as out:
                self._process = subprocess.Popen(
                    [str(EXECUTABLE), "-c", str(self._directory / "mosquitto.conf")],
                    stdout=out,
                    stderr=out,
                    env={**os.environ, **unit_environment()},
                )
            while self._process.poll() is None:
                # Mosquitto opens its listeners in the order of its configuration.
                last = self.ws_port or self.port
                with contextlib.suppress(OSError), socket.create_connection((self.host, last), 0.2):
                    return self
                if time.monotonic() > deadline:
                    self.kill()
                    raise TimeoutError(f"mosquitto does not answer: {self.log[-2000:]}")
                time.sleep(0.005)
            # Another process may have taken the port between two runs; wait until it is free.
            if time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto ended: {self.log[-2000:]}")
            time.sleep(0.05)

    def _write_configuration(self) -> None:
        lines = ["persistence false", "log_type all", "user root" if os.geteuid() == 0 else ""]
        lines += [f"listener {self.port} {self.host}", *self.listener]
        if self.ws_port is not None:
            lines += [f"listener {self.ws_port} {self.host}", "protocol websockets"]
        if self.users is None:
            lines.append("allow_anonymous true")
        else:
            passwords = self._directory / "passwords"
            passwords.write_text("".join(f"{name}:{word}\n" for name, word in self.users.items()))
            passwords.chmod(0o600)
            subprocess.run(
                [shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd", "-U", str(passwords)],
                check=True,
            )
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        if self.acl is not None:
            acl = self._directory / "acl"
            acl.write_text(self.acl)
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        (self._directory / "mosquitto.conf").write_text("\n".join([*lines, *self.options, ""]))

    def reload(self) -> None:
        """Write the configuration again and make the broker read its access list."""
        self._write_configuration()
        os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        deadline = time.monotonic() + PATIENCE_S
        # Mosquitto notes a signal in a flag, and misses one that comes just before it waits for messages.
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        process.wait(1)

    def close(self) -> None:
        """Stop it and remove its files."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def broker(*options: str, **more: object) -> Iterator[Mosquitto]:
    """Run a broker for a while: `with broker("max_packet_size 2000") as mosquitto:`."""
    with Mosquitto(*options, **more) as mosquitto:  # type: ignore[arg-type]
        yield mosquitto


def unit_environment() -> dict[str, str]:
    """Return the variables that the unit of a post's broker sets."""
    lines = UNIT.read_text().splitlines()
    return dict(line.split("=", 2)[1:] for line in lines if line.startswith("Environment="))
