"""Station as an MQTT client that can send any command: right, wrong, or under another name."""

import asyncio
import itertools
import json
import ssl
import threading
import time
import uuid
from collections import Counter
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.patience import PATIENCE_S

from gateway.contract.commands import CommandAnswer
from gateway.contract.topics import Position, SiteTopics

BARRIER = Position("lane-1", "barrier")
NUMBERS = itertools.count(time.time_ns() // 1_000_000)


class StationClient:
    """Client that publishes commands by hand and keeps the answers it receives."""

    def __init__(
        self,
        port: int,
        name: str,
        *,
        site: str = "uto-test",
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.topics = SiteTopics(site, "gw-1")
        self.answers: list[CommandAnswer] = []
        self.codes: Counter[int] = Counter()
        """Reason codes of the broker for published messages."""
        self._port = port
        self._ready = threading.Event()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        if password is not None:
            self._client.username_pw_set(name, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._ready.set()  # in TLS 1.3 a refusal comes only now
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.on_publish = lambda _c, _u, _m, reason, _p: self.codes.update([reason.value])

    def _on_connect(self, client: mqtt.Client, _u: object, _f: object, reason: Any, _p: object) -> None:
        if reason.is_failure:
            self._ready.set()
        else:
            client.subscribe(f"bgw/v1/{self.topics.site}/+/+/rsp/#", 1)

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        self.answers.append(CommandAnswer.model_validate_json(message.payload))

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port)
        except OSError:  # a certificate that the broker does not accept
            return self
        self._client.loop_start()
        await asyncio.to_thread(self._ready.wait, 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.__del__()

    def send(
        self,
        verb: str,
        session: str,
        *,
        position: Position = BARRIER,
        name: str | None = None,
        expires_s: int | None = 5,
        retain: bool = False,
        **body: Any,
    ) -> str:
        """Publish a command and do not wait; returns its id."""
        whole = {"cmd_id": str(uuid.uuid4()), "session": session, "command_seq": next(NUMBERS)} | body
        properties = Properties(PacketTypes.PUBLISH)
        if expires_s is not None:
            properties.MessageExpiryInterval = expires_s
        topic = self.topics.command(position, verb, name or self.name)
        self._client.publish(topic, json.dumps(whole).encode(), 1, retain, properties)
        return whole["cmd_id"]

    def answers_to(self, cmd_id: str) -> list[CommandAnswer]:
        return [answer for answer in self.answers if answer.cmd_id == cmd_id]

    async def end_of(self, cmd_id: str, within_s: float = PATIENCE_S) -> CommandAnswer:
        """Wait for the last answer to a command."""
        async with asyncio.timeout(within_s):
            while True:
                for answer in self.answers_to(cmd_id):
                    if answer.state != "accepted":
                        return answer
                await asyncio.sleep(0.005)

    async def acknowledged(self, count: int, within_s: float = PATIENCE_S) -> None:
        """Wait until the broker has answered this number of messages."""
        async with asyncio.timeout(within_s):
            while self.codes.total() < count:
                await asyncio.sleep(0.01)
