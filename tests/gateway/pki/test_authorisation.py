"""Rights at the broker of two states, pair by pair, at a real Mosquitto with certificates."""

import itertools
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support.brokers.deployments import LANES, two_state_deployment
from support.brokers.mosquitto import Mosquitto, free_port

from gateway.pki.acl import acl_entries, rights_table
from gateway.pki.ca import CertificateAuthority, IssuedCertificate
from gateway.pki.inventory import Deployment, load_deployment
from gateway.pki.mosquitto import listener_conf
from gateway.pki.store import CertificateStore, init

README = Path(__file__).parents[3] / "config/mosquitto/README.md"
NOT_AUTHORISED = 0x87
HERALD = "\nuser herald\ntopic readwrite #\npattern read over/%u\n"
"""Principal of the test alone, which may publish everything; and a topic that ends its messages."""
ISSUERS = ("{}-lane-1", "{}-lane-2", "{}-supervisor", "{}-technician", "{}-hq", "{}-gw-1")
BODY = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x04door"
"""A CONNECT of MQTT 5 with the client identifier `door`."""


class Broker(Mosquitto):
    """Mosquitto with the files of `borderpost trust`; only port and directory are the test's."""

    def __init__(self, folder: CertificateStore) -> None:
        super().__init__(port=free_port())
        self._made = folder.path / "broker"

    def _write_configuration(self) -> None:
        text = listener_conf(self.port, str(self._made)).replace(
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
            assert self._news.wait_for(lambda: len(self._codes) == len(self._sent), 30), self.name
        answers = {topic: self._codes[mid] for mid, topic in self._sent.items()}
        self._sent.clear()
        self._codes.clear()
        return answers

    def listen(self) -> None:
        self._client.subscribe("#", 1)
        with self._news:
            assert self._news.wait_for(lambda: self._subscribed, 30)

    def received(self) -> list[str]:
        with self._news:
            assert self._news.wait_for(lambda: self._over, 30), f"{self.name} heard no end"
        return self.heard

    def until_heard(self, topic: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: topic in self.heard, 30)

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


@pytest.fixture(scope="module")
def fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeploymentFixture]:
    place = tmp_path_factory.mktemp("deployment")
    deployment = load_deployment(two_state_deployment(place))
    folder = init(place / "authority", deployment, days=365, passphrase=None)
    with Broker(folder) as broker:
        yield DeploymentFixture(deployment, folder, folder.load_ca(None), broker)


def topics() -> Iterator[str]:
    """Yield one topic of every kind, at both sites, in every lane, for every principal."""
    for state in ("ke", "ug"):
        site = f"bgw/v1/{state}-busia"
        yield from (f"{site}/_gw/gw-1/state", f"{site}/_gw/gw-1/evt/clock.stepped", f"{site}/_gw/gw-2/evt/x")
        issuers = [name.format(who) for who in ("ke", "ug") for name in ISSUERS]
        for lane in LANES:
            device = f"{site}/{lane}/reader"
            yield from (f"{device}/{kind}" for kind in ("desc", "state", "claim", "now/barrier.state"))
            yield from (
                f"{device}/evt/{kind}" for kind in ("document.read", "command.decided", "barrier.alarm")
            )
            yield from (f"{device}/blob/0190/face", f"{device}/secret", f"{device}/cmd/open")
            for issuer in issuers:
                yield from (f"{device}/{kind}/{issuer}" for kind in ("cmd/open", "rsp", "preview"))
    yield from ("bgw-training/v1/ke-busia/lane-1/reader/state", "bgw/v2/ke-busia/lane-1/reader/state", "else")


def test_every_pair_follows_the_table(fixture: DeploymentFixture) -> None:
    said = list(topics())
    names = [*fixture.deployment.principals, "stranger"]
    granted = {
        name: [right for right in acl_entries(fixture.deployment) if right.name == name] for name in names
    }
    clients = {name: fixture.client(name) for name in fixture.deployment.principals}
    # Known to the authority, without a description.
    clients["stranger"] = fixture.client("stranger", fixture.authority.issue("stranger", 1))
    herald = fixture.client("herald", fixture.authority.issue("herald", 1))
    try:
        for client in (herald, *clients.values()):
            client.__enter__()
        for client in clients.values():
            client.publish_all(said)
        written = {name: client.answered() for name, client in clients.items()}
        for client in clients.values():
            client.listen()
        herald.publish_all([*said, *(f"over/{name}" for name in names)])
        heard = {name: set(client.received()) for name, client in clients.items()}
    finally:
        for client in (herald, *clients.values()):
            client.__exit__()

    wrong = []
    for name, topic in itertools.product(names, said):
        may_write = any(right.allows("write", topic) for right in granted[name])
        may_read = any(right.allows("read", topic) for right in granted[name])
        if (written[name][topic] != NOT_AUTHORISED) != may_write:
            wrong.append((name, "write", topic, hex(written[name][topic])))
        if (topic in heard[name]) != may_read:
            wrong.append((name, "read", topic))
    assert wrong == []
    assert len(names) * len(said) * 2 > 7000

    # Rules that hold for any table.
    for name in names:
        own = f"bgw/v1/{name[:2]}-busia/"
        allowed = {topic for topic, code in written[name].items() if code != NOT_AUTHORISED}
        assert all(topic.startswith(own) for topic in allowed)
        abroad = {topic for topic in heard[name] if not topic.startswith(own)}
        assert not abroad or name == "ug-lane-3"
        if "gw" not in name:
            assert all("/cmd/" in topic and topic.endswith(f"/{name}") for topic in allowed)
            assert not any("/cmd/" in topic for topic in heard[name])
        if "lane" in name:
            lanes = {topic.split("/")[3] for topic in heard[name] | allowed if topic.startswith(own)}
            assert lanes == {"_gw", name[3:]}
        elif "gw" not in name:
            assert not any("document" in topic or "/blob/" in topic for topic in heard[name])
    assert {topic for topic in heard["ug-lane-3"] if "/ke-busia/" in topic} == {
        "bgw/v1/ke-busia/_gw/gw-1/state",
        *(
            f"bgw/v1/ke-busia/lane-3/reader/{kind}"
            for kind in ("desc", "state", "claim", "now/barrier.state")
        ),
    }
    assert heard["stranger"] == set()


def test_connect_needs_valid_certificate(fixture: DeploymentFixture, tmp_path: Path) -> None:
    elsewhere = init(tmp_path / "authority", fixture.deployment, days=365, passphrase=None).load_ca(None)
    assert fixture.accepts(fixture.context("ke-lane-1"))
    assert not fixture.accepts(fixture.context(None)), "no certificate"
    assert not fixture.accepts(fixture.context("ke-lane-1", elsewhere.issue("ke-lane-1", 1))), (
        "another authority"
    )
    assert not fixture.accepts(fixture.context("ke-lane-1", fixture.authority.issue("ke-lane-1", -1))), (
        "expired"
    )
    server = fixture.authority.issue("ke-lane-1", 1, ["127.0.0.1"])
    assert not fixture.accepts(fixture.context("ke-lane-1", server)), "a server's certificate"
    older = fixture.context("ke-lane-1")
    older.minimum_version, older.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    assert not fixture.accepts(older), "TLS 1.2"


def test_revoked_principal_loses_rights_at_once(fixture: DeploymentFixture) -> None:
    own = "bgw/v1/ke-busia/lane-2/reader/cmd/open/ke-lane-2"
    old = fixture.context("ke-lane-2")
    with fixture.client("ke-lane-2") as connected:
        connected.publish_all([own])
        assert connected.answered()[own] != NOT_AUTHORISED

        fixture.folder.revoke(["ke-lane-2"], "lost", datetime.now(UTC))
        fixture.folder.write_derived_files(fixture.authority, fixture.deployment)
        fixture.broker.reload()

        connected.publish_all([own])
        while connected.answered()[own] != NOT_AUTHORISED:
            connected.publish_all([own])
    assert not fixture.accepts(old)

    fixture.folder.issue(fixture.authority, fixture.deployment, ["ke-lane-2"], 365)
    fixture.folder.write_derived_files(fixture.authority, fixture.deployment)
    fixture.broker.reload()
    with fixture.client("ke-lane-2") as renewed:
        renewed.publish_all([own])
        while renewed.answered()[own] == NOT_AUTHORISED:
            renewed.publish_all([own])
    assert not fixture.accepts(old), "the new certificate does not bring the old one back"


def test_last_will_follows_access_list(fixture: DeploymentFixture) -> None:
    own = "bgw/v1/ug-busia/lane-1/reader/cmd/open/ug-lane-1"
    with fixture.client("herald", fixture.authority.issue("herald", 1)) as herald:
        herald.listen()
        for forged in ("ke-busia/lane-1/reader/cmd/open/ke-lane-1", "ug-busia/lane-1/reader/state"):
            fixture.disconnect_with_will("ug-lane-1", f"bgw/v1/{forged}")
        fixture.disconnect_with_will("ug-lane-1", own)
        herald.until_heard(own)
    assert herald.heard == [own]


def test_stolen_session_gets_no_messages(fixture: DeploymentFixture) -> None:
    """A workstation's session outlives a reload of its page, and its identifier is no secret."""
    said = "bgw/v1/ke-busia/lane-1/reader/evt/document.read"
    with fixture.client("herald", fixture.authority.issue("herald", 1)) as herald:
        for who in ("ke-lane-1", "ug-lane-1"):
            with fixture.client("ke-lane-1", session=f"session-{who}") as owner:
                owner.listen()
            herald.publish_all([said])
            herald.answered()
            with fixture.client(who, session=f"session-{who}") as comer:
                herald.publish_all([f"over/{who}"])
                assert comer.received() == ([said] if who == "ke-lane-1" else [])


def test_readme_has_rights_table() -> None:
    assert "\n".join(rights_table()) in README.read_text()
