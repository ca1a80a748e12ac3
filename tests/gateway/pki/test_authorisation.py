"""Rights at the broker of two states, pair by pair, at a real Mosquitto with certificates."""

import itertools
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.brokers.deployments import LANES, two_state_deployment
from support.brokers.principals import NOT_AUTHORISED, Broker, DeploymentFixture

from gateway.pki.acl import acl_entries, rights_table
from gateway.pki.inventory import load_deployment
from gateway.pki.store import init

README = Path(__file__).parents[3] / "config/mosquitto/README.md"
ISSUERS = ("{}-lane-1", "{}-lane-2", "{}-supervisor", "{}-technician", "{}-hq", "{}-gw-1")


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
        yield from (f"{site}/_gw/gw-1/state", f"{site}/_gw/gw-1/evt/clock-stepped", f"{site}/_gw/gw-2/evt/x")
        issuers = [name.format(who) for who in ("ke", "ug") for name in ISSUERS]
        for lane in LANES:
            device = f"{site}/{lane}/reader"
            yield from (f"{device}/{kind}" for kind in ("desc", "state", "claim", "now/barrier-state"))
            yield from (
                f"{device}/evt/{kind}" for kind in ("document-read", "command-decided", "barrier-alarm")
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
            for kind in ("desc", "state", "claim", "now/barrier-state")
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
    said = "bgw/v1/ke-busia/lane-1/reader/evt/document-read"
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
