"""A workstation's connection to the broker."""

import asyncio
import socket
from typing import Any

import aiomqtt
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.contract.commands import EXPIRY_LIMIT_S

NO_SUBSCRIBERS, NOT_AUTHORISED = 0x10, 0x87  # MQTT 5, section 2.4


def socket_options() -> list[tuple[int, int, int]]:
    """What a command needs of its connection: to leave at once, and not to be kept when it cannot.

    A command's life is counted by the broker from when it has it. One that was sent into a dead link would be
    delivered by TCP whenever the link is back, minutes later, as if it were fresh: so the kernel gives up a
    connection on which nothing is acknowledged for as long as a command may live.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if (patience := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:  # Linux only
        options.append((socket.IPPROTO_TCP, patience, EXPIRY_LIMIT_S * 1000))
    return options


class Connection(aiomqtt.Client):
    """aiomqtt's client, which says besides how the broker answered what was published."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more, socket_options=socket_options())
        self._answers: dict[int, asyncio.Future[int]] = {}

    async def send(self, topic: str, payload: bytes, expires_s: int) -> int:
        """Publish with QoS 1; returns the broker's reason code; raises MqttError when there will be none."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = expires_s
        properties.ContentType = "application/json"
        info = self._client.publish(topic, payload, qos=1, properties=properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "Could not publish message")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[info.mid] = answer
        try:
            waits: list[asyncio.Future[Any]] = [answer, self._disconnected]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise aiomqtt.MqttError("The connection was lost")
            return answer.result()
        finally:
            del self._answers[info.mid]

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        super()._on_publish(client, userdata, mid, reason_code, properties)
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code.value)
