"""Clients of a broker with the files of `borderpost trust`, with the certificates of its principals."""

import os
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S
from support.ports import free_port

from gateway.pki.ca import CertificateAuthority, IssuedCertificate
from gateway.pki.inventory import Deployment
from gateway.pki.mosquitto import listener_conf
from gateway.pki.store import CertificateStore

NOT_AUTHORISED = 0x87
HERALD = "\nuser herald\ntopic readwrite #\npattern read over/%u\n"
"""Principal of the test alone, which may publish everything; and a topic that ends its messages."""
BODY = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x04door"
"""A CONNECT of MQTT 5 with the client identifier `door`."""


class Broker(Mosquitto):
    """Mosquitto with the files of `borderpost trust`; only port and directory are the test's."""

    def __init__(self, folder: CertificateStore) -> None:
        super().__init__(port=free_port())
        self._made = folder.path / "broker"
        if (self._made / "passwords").exists():
            self.ws_port = free_port()

    def _write_configuration(self) -> None:
        text = listener_conf(self.port, str(self._made), self.ws_port).replace(
            f"{self._made}/acl", str(self._directory / "acl")
        )
        user = "user root\n" if os.geteuid() == 0 else ""
        (self._directory / "mosquitto.conf").write_text(user + text)
        acl = self._directory / "acl"
        acl.write_text((self._made / "acl").read_text() + HERALD)
        acl.chmod(0o600)


@dataclass
class BrokerClient:
    """A client of the broker: the broker's answers to it, and the messages it receives."""

    name: str
    port: int
    tls: ssl.SSLContext
    session: str = ""
    """Client identifier under which the broker keeps a session, and resumes it."""
    heard: list[str] = field(default_factory=list)

    def __enter__(self) -> "BrokerClient":
        self._sent: dict[int, str] = {}
        self._codes: dict[int, int] = {}
        self._news = threading.Condition()
        self._over = self._subscribed = False
        version = mqtt.CallbackAPIVersion.VERSION2
        client = self._client = mqtt.Client(version, self.session, protocol=mqtt.MQTTv5)
        client.max_inflight_messages_set(5000)
        client.tls_set_context(self.tls)
        client.on_publish = self._published
        client.on_message = self._message
        client.on_subscribe = self._granted
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 300 if self.session else 0
        client.connect("127.0.0.1", self.port, clean_start=not self.session, properties=kept)
        client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.__del__()  # its socket pair, which it closes nowhere else

    def publish_all(self, topics: list[str]) -> None:
        """Publish on each topic.

        Paho's callbacks hold a lock that `publish` needs: none of ours is held here.
        """
        for topic in topics:
            self._sent[self._client.publish(topic, b"x", qos=1).mid] = topic

    def answered(self) -> dict[str, int]:
        """Return the broker's reason codes since the last call, by topic."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._codes) == len(self._sent), PATIENCE_S), self.name
        answers = {topic: self._codes[mid] for mid, topic in self._sent.items()}
        self._sent.clear()
        self._codes.clear()
        return answers

    def listen(self) -> None:
        self._client.subscribe("#", 1)
        with self._news:
            assert self._news.wait_for(lambda: self._subscribed, PATIENCE_S)

    def received(self) -> list[str]:
        with self._news:
            assert self._news.wait_for(lambda: self._over, PATIENCE_S), f"{self.name} heard no end"
        return self.heard

    def until_heard(self, topic: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: topic in self.heard, PATIENCE_S)

    def _published(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        with self._news:
            self._codes[mid] = reason.value
            self._news.notify_all()

    def _message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        with self._news:
            if message.topic == f"over/{self.name}":
                self._over = True
                self._news.notify_all()
            else:
                self.heard.append(message.topic)
                self._news.notify_all()

    def _granted(self, *_: Any) -> None:
        with self._news:
            self._subscribed = True
            self._news.notify_all()


@dataclass
class DeploymentFixture:
    deployment: Deployment
    folder: CertificateStore
    authority: CertificateAuthority
    broker: Broker

    def context(self, name: str | None, issued: IssuedCertificate | None = None) -> ssl.SSLContext:
        """Make a TLS context with the certificate of a name, or with one issued elsewhere."""
        context = ssl.create_default_context(cafile=str(self.folder.path / "ca.crt"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if issued is not None:
            self.folder.write("client/client.crt", issued.pem)
            self.folder.write("client/client.key", issued.key)
            name = "client"
        if name is not None:
            home = self.folder.path / name
            context.load_cert_chain(home / f"{name}.crt", home / f"{name}.key")
        return context

    def client(self, name: str, issued: IssuedCertificate | None = None, session: str = "") -> BrokerClient:
        return BrokerClient(name, self.broker.port, self.context(name, issued), session)

    def disconnect_with_will(self, name: str, will: str) -> None:
        """Connect with a last will, and lose the connection."""
        topic = will.encode()
        body = (
            b"\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x04dead\x00"
            + bytes([0, len(topic)])
            + topic
            + b"\x00\x01x"
        )
        with (
            socket.create_connection(("127.0.0.1", self.broker.port), 10) as plain,
            self.context(name).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(bytes([0x10, len(body)]) + body)
            assert secure.recv(4)[:1] == b"\x20"

    def accepts(self, context: ssl.SSLContext) -> bool:
        """Tell whether a CONNECT is answered: in TLS 1.3 a server refuses only after the handshake."""
        try:
            with (
                socket.create_connection(("127.0.0.1", self.broker.port), 10) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            ):
                secure.sendall(BODY)
                return secure.recv(4)[:1] == b"\x20"
        except OSError:
            return False
