"""A simulated post as a test has it: what is presented to its devices, their faults, and the truth."""

from typing import Any

from gateway.testing.post.running_post import RunningPost
from simulators.control import send_command_blocking
from simulators.errors import SimulatorError

ANSWER_S = 30.0
"""Time for an answer of the simulated devices, in seconds."""


class SimulatedPost:
    """Post of one test: at rest at its begin, and again before the next one."""

    def __init__(self, running: RunningPost, since_ns: int) -> None:
        """`since_ns`: time since which the post is at rest."""
        self.running = running
        self.since_ns = since_ns
        self.used: set[str] = set()
        """Positions that are brought to rest at the end of the test."""

    @property
    def host(self) -> str:
        """Host of the broker."""
        return self.running.described.broker.host

    @property
    def port(self) -> int:
        """Port of the broker, MQTT 5."""
        return self.running.described.broker.port

    @property
    def site(self) -> str:
        """Name of the site, as a workstation needs it."""
        return self.running.described.gateway.site

    @property
    def positions(self) -> list[str]:
        """Positions of the devices."""
        return [str(position) for position in self.running.described.devices]

    def present(self, position: str, **what: Any) -> dict[str, Any]:
        """Present something to a device: `member="photocopy"`, `finger=3`, `manner="tailgates"`.

        Returns what the simulator answers, for a reader with the `truth`. Raises SimulatorError.
        """
        return self.request("insert", position, **what)

    def remove(self, position: str) -> None:
        """Take the document off the glass of a full-page reader."""
        self.request("remove", position)

    def fault(self, position: str, fault: str, **args: Any) -> None:
        """Inject a fault, such as `unplug`; raises SimulatorError for one that the device cannot have."""
        self.request("fault", position, fault=fault, args=args)

    def clear(self, position: str | None = None) -> None:
        """End the faults of a device, or of all."""
        self.request("clear", position)

    def wait(self, position: str, *, within_s: float = 10.0, **until: Any) -> None:
        """Wait until the status of a simulator has these values: `host_connected=True`."""
        self.request("wait", position, until=until, within_s=within_s)

    def status(self, position: str) -> dict[str, Any]:
        """Return the status of a simulator."""
        found: dict[str, Any] = self.request("status", position)["simulators"][position]
        return found

    def truth(self, last: int = 1) -> list[dict[str, Any]]:
        """Return the truth about the last presentations, the latest at the end."""
        found: list[dict[str, Any]] = self.request("truth", last=last)["presented"]
        return found

    def request(self, verb: str, position: str | None = None, /, **arguments: Any) -> dict[str, Any]:
        """Send any request of simulators/README.md; raises SimulatorError where it is refused."""
        named = {} if position is None else {"name": position}
        if position is not None and verb not in ("status", "truth", "wait"):
            self.used.add(position)
        answer = send_command_blocking(
            self.running.control_socket, {"do": verb, **named, **arguments}, timeout_s=ANSWER_S
        )
        if not answer["ok"]:
            raise SimulatorError(answer["error"])
        return answer
