"""A stand-in for the daemon whose driver is an enemy: `attacked_post FOLDER USER-ID jail|open ATTEMPT...`.

Prints the outcome of each attempt as JSON: an error of the kernel, `killed`, or `succeeded`. An attempt may
have a kind of link behind an @. ATTACKED_TARGETS in the environment, a JSON object, replaces targets by those
of a real gateway. It is a program, because a plain user cannot be tested within a test of root.
"""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from support.gateway.recording_listener import RecordingListener

from drivers.driver import StateCode
from drivers.links.link import Cause
from gateway.common import log as logging
from gateway.common.process import forbid_dumps
from gateway.supervision.processes.forkserver import fork_server
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.supervision.supervisor import DeviceSupervisor, WorkerLimits
from gateway.worker.spec import WorkerSpec
from simulators.links.serial_line import SerialLine

EXIT_STATUS = 42
"""Exit status of a worker that has become another program."""
TIMEOUT_S = 100


class Forks(ForkServerClient):
    """A client that keeps the last exit status."""

    last_status: int | None = None

    async def exit_status(self, pid: int) -> int | None:
        """Return and keep the exit status."""
        self.last_status = await super().exit_status(pid)
        return self.last_status


class AttackedPost:
    """Files, sockets and a neighbour, as a post has them."""

    def __init__(self, folder: Path, forks: Forks, *, is_confined: bool) -> None:
        self.folder, self.forks, self.is_confined = folder, forks, is_confined
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.key = self.state / "signing.key"
        self.key.write_text("a key")
        self.key.chmod(0o600)
        self.config = folder / "post.toml"
        self.config.write_text("a configuration")
        self.notebook = RecordingListener()
        self.sockets = {
            "port": socket.create_server(("127.0.0.1", 0)),
            "allowed_port": socket.create_server(("", 0)),  # of all hosts that this machine can be
            "local_socket": socket.socket(socket.AF_UNIX),
            "abstract_socket": socket.socket(socket.AF_UNIX),
            "abstract_datagrams": socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        }
        self.sockets["local_socket"].bind(str(self.state / "console.sock"))
        self.sockets["local_socket"].listen()
        for name in ("abstract_socket", "abstract_datagrams"):
            self.sockets[name].bind("")  # the kernel chooses an abstract name
        self.sockets["abstract_socket"].listen()

    def targets(self, neighbour: DeviceSupervisor, line: Path) -> dict[str, str]:
        """Return what the attempts are aimed at."""
        return {
            "daemon": str(os.getpid()),
            "neighbour": str(neighbour.pid),
            "neighbour_device": os.path.realpath(line),
            "key": str(self.key),
            "config": str(self.config),
            "state": str(self.state),
            "folder": str(self.folder),
            "exit_status": str(EXIT_STATUS),
            "port": str(self.sockets["port"].getsockname()[1]),
            "allowed_port": str(self.sockets["allowed_port"].getsockname()[1]),
            "local_socket": self.sockets["local_socket"].getsockname(),
            "abstract_socket": self.sockets["abstract_socket"].getsockname()[1:].decode(),
            "abstract_datagrams": self.sockets["abstract_datagrams"].getsockname()[1:].decode(),
        }

    def start(self, position: str, driver: str, settings: dict[str, object]) -> DeviceSupervisor:
        """Start a device of a post in production, which denies a simulator's other lines as well."""
        spec = WorkerSpec(
            site="uto-test",
            gateway="gw-1",
            position=position,
            driver=driver,
            settings=settings,
            is_production=self.is_confined,
            is_confined=self.is_confined,
            private_paths=(str(self.state), str(self.config)),
            heartbeat_interval_s=0.2,
            open_timeout_s=TIMEOUT_S,
            backoff_first_s=60,
            backoff_max_s=60,
        )
        limits = WorkerLimits(heartbeat_timeout_s=TIMEOUT_S, stop_timeout_s=2)
        device = DeviceSupervisor(spec, limits, self.forks, self.notebook, "session-1")
        device.start()
        return device

    async def outcome(self, position: str) -> str:
        """Wait for the end of an attempt."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for _, state in [each for each in self.notebook.states if each[0] == position]:
                    if state.cause is Cause.FORBIDDEN_CALL:
                        return "killed"
                    if state.cause is Cause.WORKER_VIOLATION:
                        return "ended by the daemon"
                    if state.cause is Cause.WORKER_CRASHED:
                        became = self.forks.last_status == EXIT_STATUS
                        return "succeeded" if became else f"crashed ({self.forks.last_status})"
                    if state.state in (StateCode.FAULT, StateCode.OFFLINE):
                        return str(state.text)
                self.notebook.news.clear()
                await self.notebook.news.wait()

    async def run(self, attempts: list[str]) -> dict[str, str]:
        """Make the attempts, each in a worker of its own."""
        neighbour_line = self.folder / "neighbour"
        outcomes = {}
        async with SerialLine.open_at(neighbour_line, look_s=0.01), SerialLine.open_at(self.folder / "line"):
            neighbour = self.start("lane-2/reader", "faulty", {"port": str(neighbour_line)})
            await self.notebook.until(
                lambda: any(where == "lane-2/reader" for where, _ in self.notebook.states)
            )
            await neighbour.wait_ready()
            targets = self.targets(neighbour, neighbour_line)
            targets |= json.loads(os.environ.get("ATTACKED_TARGETS", "{}"))
            for number, word in enumerate(attempts):
                name, _, link = word.partition("@")
                position = f"lane-1/r{number}"
                settings = {"port": str(self.folder / "line"), "attempt": name, "targets": targets}
                device = self.start(position, "hostile", settings | {"link": link or "serial"})
                outcomes[word] = await self.outcome(position)
                await device.stop()
            await neighbour.stop()
        for one in self.sockets.values():
            one.close()
        await self.forks.close()
        return outcomes


def main(folder: str, user: str, jail: str, *attempts: str) -> None:
    """Become the daemon of a user, start the fork server, then make the secrets, then the attempts."""
    if int(user) != os.getuid():
        os.setgroups([])
        os.setresgid(int(user), int(user), int(user))
        os.setresuid(int(user), int(user), int(user))
    logging.configure("error")
    forbid_dumps()
    server = fork_server()

    async def attack() -> dict[str, str]:
        forks = Forks(["hostile", "faulty"], "error", server)
        return await AttackedPost(Path(folder), forks, is_confined=jail == "jail").run(list(attempts))

    sys.stdout.write(json.dumps(asyncio.run(attack())))


if __name__ == "__main__":
    main(*sys.argv[1:])
