"""Process of a worker: its name, signals and jail, and the frames that it receives from the daemon."""

import asyncio
import ctypes
import select
import signal
import socket
from functools import partial
from typing import Any

from drivers.links.settings import Settings
from drivers.registry import load_driver
from gateway.ipc.frames import FrameConnection, FrameType
from gateway.ipc.rpc import RpcServer
from gateway.worker.doorman_client import DoormanEventLoop
from gateway.worker.jail.jail import Jail, JailSettings, confine
from gateway.worker.spec import WorkerSpec
from gateway.worker.worker import DeviceWorker

PR_SET_NAME = 15  # prctl(2)


def _is_peer_closed(channel: socket.socket) -> bool:
    """Return True if the other end is closed, even if data are still unread."""
    poll = select.poll()
    poll.register(channel, select.POLLRDHUP)
    return bool(poll.poll(0))


async def _serve(spec: WorkerSpec, settings: Settings, jail: Jail, channel: socket.socket) -> None:
    """Serve the device until the daemon sends STOP or ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def received(kind: FrameType, head: dict[str, Any], body: bytes) -> None:
        match kind:
            case FrameType.STOP:
                device.refuse_commands()
                ended.set()
            # A command that a dead daemon left in the socket would have neither an answer nor a record.
            case FrameType.COMMAND if not _is_peer_closed(channel):
                device.on_command(head, body)
            case FrameType.RECORD_STORED:
                device.on_record_stored(head["number"])
            case FrameType.DECISION_RECORDED:
                device.on_decision_recorded(head["command_ref"], is_recorded=head["recorded"])
            case FrameType.CLAIM:
                device.on_claim(head["holder"])
            case FrameType.REQUEST:
                answers.on_request(head, body)
            case FrameType.CANCEL:
                answers.on_cancel(head)

    connection = FrameConnection(received, ended.set)
    device = DeviceWorker(spec, settings, jail, connection)
    answers = RpcServer(connection, device.diagnostics.serve_request)
    await loop.create_unix_connection(lambda: connection, sock=channel)
    running = asyncio.create_task(device.run())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, waiting):
        task.cancel()
    await asyncio.gather(running, waiting, answers.close(), return_exceptions=True)
    device.send_heartbeat()
    connection.close()


def serve(spec: WorkerSpec, channel: socket.socket, doorman: socket.socket | None = None) -> None:
    """Be the worker process of one device; returns when the daemon sends STOP or ends.

    `doorman`: channel to the daemon's doorman, for a device with hosts on a network.
    """
    name = spec.position.encode()[-15:]
    ctypes.CDLL(None).prctl(PR_SET_NAME, ctypes.create_string_buffer(name), 0, 0, 0)
    # Ctrl-C and the service manager stop the daemon, which then sends STOP.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    driver = load_driver(spec.driver)
    settings = driver.settings_model.model_validate(spec.settings)
    jail = confine(
        settings,
        JailSettings(
            is_production=spec.is_production,
            is_enabled=spec.is_confined or spec.is_production,
            private_paths=spec.private_paths,
            package=driver.__module__.partition(".")[0],
            further_places=spec.further_places,
        ),
    )
    new_loop = None if doorman is None else partial(DoormanEventLoop, doorman)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(spec, settings, jail, channel))
