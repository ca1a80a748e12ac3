"""A workstation on an event loop without readers of sockets, such as the default one of Windows."""

import asyncio
import json
import socket
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S

from drivers.passport.observations import DocumentRead
from gateway.client import ReceivedEvent, Workstation
from gateway.client.mqtt.socket_readers import LoopWithReaders
from gateway.contract.documents.schemas import event_example
from gateway.contract.topics import Position, SiteTopics

ResultT = TypeVar("ResultT")
TOPICS, READER = SiteTopics("uto-test", "gw-1"), Position("lane-1", "reader")


class LoopOfWindows(asyncio.SelectorEventLoop):
    """Loop that has what the Proactor loop of Windows has, and no more."""

    def _refuse(self, *_: Any) -> Any:
        raise NotImplementedError

    add_reader = remove_reader = add_writer = remove_writer = _refuse


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def run_on_windows_loop(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    with asyncio.Runner(loop_factory=LoopOfWindows) as runner:
        return runner.run(main)


def workstation(broker: Mosquitto) -> Workstation:
    return Workstation("127.0.0.1", broker.port, site="uto-test", on_problem=lambda _: None)


async def publish(broker: Mosquitto, count: int) -> None:
    payload = json.dumps(event_example(DocumentRead)).encode()
    lasting = Properties(PacketTypes.PUBLISH)
    lasting.MessageExpiryInterval = 600
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as gateway:
        for number in range(count):
            said = payload.replace(b"120002", b"%06d" % number) + b" " * 50_000  # more than one read takes
            await gateway.publish(TOPICS.event(READER, "document.read"), said, qos=1, properties=lasting)


def test_workstation_works_without_readers_of_sockets(mosquitto: Mosquitto) -> None:
    async def work() -> list[ReceivedEvent]:
        async with asyncio.timeout(PATIENCE_S), workstation(mosquitto) as desk:
            await desk.connected_event.wait()
            await asyncio.to_thread(asyncio.run, publish(mosquitto, 20))
            events = aiter(desk)
            return [await anext(events) for _ in range(20)]

    events = run_on_windows_loop(work())

    assert [event.envelope.id[-6:] for event in events] == [f"{number:06d}" for number in range(20)]


def test_lost_broker_is_found_again(mosquitto: Mosquitto) -> None:
    async def work() -> None:
        async with asyncio.timeout(PATIENCE_S), workstation(mosquitto) as desk:
            await desk.connected_event.wait()
            await asyncio.to_thread(mosquitto.stop)
            while desk.connected_event.is_set():
                await asyncio.sleep(0.01)
            await asyncio.to_thread(mosquitto.start)
            await desk.connected_event.wait()

    run_on_windows_loop(work())


async def test_closed_socket_is_dropped() -> None:
    """A socket may be closed before it is removed; others are served."""
    loop = LoopWithReaders(asyncio.get_running_loop())
    gone, other = socket.socketpair()
    here, there = socket.socketpair()
    with other, here, there:
        fileno = gone.fileno()
        loop.add_reader(fileno, lambda: None)
        gone.close()
        arrived = asyncio.Event()
        loop.add_reader(here.fileno(), arrived.set)
        there.send(b"x")
        async with asyncio.timeout(PATIENCE_S):
            await arrived.wait()
        assert loop.remove_reader(here.fileno())
        loop.remove_reader(fileno)
