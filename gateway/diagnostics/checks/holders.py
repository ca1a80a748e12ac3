"""Programs that have a device open: workers of the gateway by their position, and others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drivers.links.device_node import OpeningProcess, parent_of, processes_with_open
from gateway.common.process import FORK_SERVER
from gateway.diagnostics.host import HostView, read_text

COMM_BYTES = 15  # Linux keeps 15 bytes of a process name; workers are named after the end of their position.
NO_WORKERS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DeviceHolder:
    """A process that has a device open."""

    process: OpeningProcess
    position: str | None
    """Position whose worker it is; None: another program."""

    def __str__(self) -> str:
        if self.position is None:
            return str(self.process)
        return worker_text(self.position, self.process.pid)


def worker_text(position: str, pid: int) -> str:
    """Return the gateway's name as the holder of a position's device."""
    return f"the gateway, for {position} (pid {pid})"


def find_holders(
    node: str, positions: Collection[str], host: HostView, workers: Mapping[str, int] = NO_WORKERS
) -> list[DeviceHolder]:
    """Find the visible processes that have a node open.

    `positions`: those of the post's file, to complete the names of workers. `workers`: worker of each
    position by the running gateway; if any is given, children of another fork server are other programs.
    """
    return [
        DeviceHolder(process, _position_of(process, positions, host, workers))
        for process in processes_with_open(node, host.proc)
    ]


def _position_of(
    process: OpeningProcess, positions: Collection[str], host: HostView, workers: Mapping[str, int]
) -> str | None:
    """Return the position whose worker a process is; None for another program."""
    for position, pid in workers.items():
        if pid == process.pid:
            return position
    named = next((one for one in positions if comm_of(one) == process.name), None)
    if process.parent is None:  # not visible: the name alone tells
        return None if workers else named
    if read_text(host.proc / str(process.parent) / "comm") != FORK_SERVER:
        return None
    if workers and process.parent not in _parents(workers.values(), host):
        return None
    return named or process.name


def comm_of(position: str) -> str:
    """Return the process name of a position's worker."""
    return position.encode()[-COMM_BYTES:].decode(errors="replace")


def _parents(pids: Collection[int], host: HostView) -> set[int | None]:
    return {parent_of(host.proc / str(pid)) for pid in pids}
