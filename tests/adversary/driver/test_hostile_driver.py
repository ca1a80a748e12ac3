"""A driver that an enemy has taken over: it reaches its own device, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, gateway, until
from support.gateway.workers import PLUGINS

from gateway.client import Workstation
from gateway.contract.states import Confinement
from gateway.worker.jail.jail import kernel_confinement

__all__ = ["gateway"]
ROOT = Path(__file__).parents[3]
NOBODY = 65534
FILES = (
    "read_key", "read_configuration", "list_state_folder", "write_key", "truncate_key", "rename_key",
    "link_key",    "chmod_key", "age_key", "watch_state_folder", "create_file", "create_program",
)  # fmt: skip
PROCESSES = (
    "open_daemon_memory", "read_daemon_environment", "list_daemon_descriptors", "trace_daemon",
    "read_daemon_memory", "take_daemon_descriptor", "signal_daemon", "signal_daemon_by_descriptor",
    "signal_daemon_by_owner", "signal_daemon_by_ioctl", "limit_daemon", "renice_daemon", "pin_daemon",
    "compare_with_daemon", "open_neighbour_memory", "trace_neighbour", "read_neighbour_memory",
    "signal_neighbour", "open_neighbour_device",
)  # fmt: skip
SOCKETS = (
    "connect_local_socket", "connect_abstract_socket", "connect_other_port", "connect_other_port_v6",
    "connect_other_port_mptcp", "fast_open_other_port", "fast_open_other_port_by_message", "listen",
    "listen_without_address", "send_datagram", "send_by_pair", "open_netlink", "open_raw_socket",
    "open_packet_socket", "open_vsock", "open_kernel_crypto",
)  # fmt: skip
KERNEL = (
    "fork", "vfork", "execute", "run_memory_file", "set_up_io_uring", "create_userfaultfd",
    "read_session_keyring", "load_bpf", "count_events", "create_user_namespace", "change_root", "set_clock",
    "open_by_handle", "become_dumpable", "permit_tracer", "call_by_x32", "type_into_terminal",
    "open_kernel_memory", "use_shared_memory",
)  # fmt: skip
HOSTS = (
    "connect_other_host", "reconnect_own_connection", "ask_for_other_host", "ask_for_other_port",
    "ask_for_name", "ask_for_address_in_other_spelling", "resolve_other_name", "flood_doorman",
    "send_garbage_to_doorman",
)  # fmt: skip
NETWORKED = tuple(f"{name}@network" for name in (*SOCKETS, *HOSTS))
LOCAL = (
    "connect_abstract_socket@local", "send_by_pair@local", "connect_other_port@local",
    "reconnect_own_connection@both", "connect_other_host@both",
)  # fmt: skip
SEARCHING = (
    "send_datagram@search", "reconnect_search@search", "flood_search@search",
    "connect_other_port@search", "ask_for_search@network",
)  # fmt: skip
ATTEMPTS = (*FILES, *PROCESSES, *SOCKETS, *NETWORKED, *LOCAL, *SEARCHING, *KERNEL)
CONTROL = "connect_allowed_port@network"
"""Its own device: the only one that must succeed."""
OPEN_TO_ALL = {
    "read_key", "chmod_key", "create_file", "signal_daemon", "renice_daemon", "open_neighbour_device",
    "connect_local_socket", "connect_abstract_socket", "connect_other_port", "send_datagram", "send_by_pair",
    "fork", "execute", "set_up_io_uring", "connect_other_host@network", "reconnect_own_connection@network",
    CONTROL,
}  # fmt: skip
"""Attempts that succeed without a jail, whatever the kernel and the user."""


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that another user can reach: pytest's is closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def attack(folder: Path, user: int, jail: str, attempts: tuple[str, ...]) -> dict[str, str]:
    """Make attempts by the workers of a stand-in for the daemon; return their outcomes."""
    post = folder / "post"
    post.mkdir()
    shutil.chown(post, user, user)
    # The virtual machine's and a developer's variables must not matter.
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", PLUGINS))),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "support.gateway.attacked_post", str(post), str(user), jail, *attempts],
        env=environment,
        cwd=folder,
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def needs_users(user: int) -> None:
    if user != os.getuid() and os.getuid() != 0:
        pytest.skip("only root can become another user")
    if user != os.getuid() and not all(folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents)):
        pytest.skip(f"another user may not read {ROOT}")


@pytest.mark.long(30)
@pytest.mark.parametrize("user", [os.getuid(), NOBODY])
def test_attempts_fail_in_jail(open_folder: Path, user: int) -> None:
    needs_users(user)
    if kernel_confinement() is not Confinement.FULL:
        pytest.skip(f"confinement by this kernel is {kernel_confinement()}")
    outcomes = attack(open_folder, user, "jail", (*ATTEMPTS, CONTROL))
    assert outcomes.pop(CONTROL) == "succeeded"
    came_through = {
        name: told for name, told in outcomes.items() if told.startswith(("succeeded", "crashed"))
    }
    assert not came_through
    assert len(outcomes) == len(ATTEMPTS)


@pytest.mark.parametrize("user", [os.getuid(), NOBODY])
def test_attempts_work_without_jail(open_folder: Path, user: int) -> None:
    """Check that the attempts are real ones."""
    needs_users(user)
    outcomes = attack(open_folder, user, "open", tuple(OPEN_TO_ALL))
    assert outcomes == dict.fromkeys(OPEN_TO_ALL, "succeeded")


def test_memory_closed_without_jail(open_folder: Path) -> None:
    needs_users(NOBODY)
    memory = ("open_daemon_memory", "read_daemon_environment", "trace_daemon", "read_neighbour_memory")
    outcomes = attack(open_folder, NOBODY, "open", memory)
    assert set(outcomes.values()) <= {"EACCES", "EPERM"}, outcomes


async def test_console_refuses_worker(gateway: GatewayFixture) -> None:
    """Check a driver that may use UNIX sockets, as one with a chip reader may."""
    local_socket = gateway.folder / "state" / "console.sock"
    gateway.describe(
        "lane-1/reader",
        "hostile",
        f'attempt = "manage_gateway"\nlink = "local"\ntargets = {{local_socket = "{local_socket}"}}',
    )
    await gateway.wire("lane-1/reader")
    await gateway.start()
    async with gateway.workstation() as desk:
        await until(lambda: outcome(desk, "lane-1/reader"))
        assert outcome(desk, "lane-1/reader") == "ECONNRESET"
    assert "console_worker_refused" in gateway.log


def outcome(desk: Workstation, position: str) -> str | None:
    """Return the outcome of a hostile driver's attempt, if it has ended."""
    state = desk.status(position).state
    return state.text if state is not None and state.cause == "device_fault" else None


def planted(word: str) -> str:
    """Return a secret that the driver searches for; it is in the memory of the daemon alone."""
    return f"planted-{word}"


async def test_memory_has_own_order_only(gateway: GatewayFixture) -> None:
    """Check passwords of the file, of the environment, and of workers born before it."""
    gateway.under = ("env",)  # a new program: its first stack has the environment
    gateway.environment = {"CAMERA_PASSWORD": planted("environment")}
    gateway.describe(
        "lane-1/camera", "hostile", f'attempt = "open_netlink"\npassword = "{planted("neighbour")}"'
    )
    await gateway.wire("lane-1/camera")
    await gateway.start()

    async with gateway.workstation() as desk:
        await until(lambda: outcome(desk, "lane-1/camera"))
        gateway.describe(
            "lane-2/reader",
            "hostile",
            f'attempt = "find_secrets"\npassword = "{planted("mine")}"\ntargets = {{own = "mine"}}',
        )
        await gateway.wire("lane-2/reader")
        gateway.process.send_signal(1)
        await until(lambda: outcome(desk, "lane-2/reader"))
        assert outcome(desk, "lane-2/reader") == "ENOENT"
