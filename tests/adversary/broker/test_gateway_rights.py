"""The credential of one gateway of a site, used for the positions of another, at a real Mosquitto."""

from pathlib import Path

import pytest
from support.brokers.deployments import DEVICE
from support.brokers.principals import NOT_AUTHORISED, Broker, DeploymentFixture
from support.gateway.post_files import gateway_section

from gateway.config.errors import ConfigError
from gateway.pki.inventory import Deployment, load_deployment
from gateway.pki.store import init

SERVES = {
    "gw-1": ("lane-1/reader", "lane-1/barrier", "lane-3/reader"),
    "gw-2": ("lane-2/reader", "lane-2/barrier", "lane-3/camera"),
}
"""Positions of each gateway; both serve devices of lane 3."""
SITE = "bgw/v1/ke-busia"
WRITTEN = ("desc", "state", "claim", "now/barrier-state", "evt/document-read", "blob/0190/face")
"""Kinds that a gateway writes and reads."""
SENT = ("rsp/lane-1", "preview/lane-1")
RECEIVED = ("cmd/open/lane-1", "cmd/stop/supervisor")


def deployment(folder: Path, serves: dict[str, tuple[str, ...]]) -> Deployment:
    text = ""
    for name, positions in serves.items():
        post = gateway_section("ke-busia", "production", state_dir="state").replace("gw-1", name)
        post += "".join(DEVICE.format(position=one, port=one.replace("/", "-")) for one in positions)
        (folder / f"{name}.toml").write_text(post)
        text += f'[[post]]\nfile = "{name}.toml"\nauthority = "KE"\n'
    description = folder / "trust.toml"
    description.write_text(text)
    return load_deployment(description)


def test_gateway_has_only_its_own_positions(tmp_path: Path) -> None:
    described = deployment(tmp_path, SERVES)
    folder = init(tmp_path / "authority", described, days=365, passphrase=None)
    topics = {
        f"{SITE}/{position}/{kind}": (owner, kind)
        for owner, positions in SERVES.items()
        for position in positions
        for kind in WRITTEN + SENT + RECEIVED
    }
    topics |= {f"{SITE}/_gw/{name}/{kind}": (name, "state") for name in SERVES for kind in ("state",)}
    topics |= {f"{SITE}/lane-9/reader/{kind}": ("none", kind) for kind in WRITTEN + SENT + RECEIVED}
    wrong = []
    with Broker(folder) as broker:
        authority = folder.load_ca(None)
        fixture = DeploymentFixture(described, folder, authority, broker)
        with fixture.client("herald", authority.issue("herald", 1)) as herald:
            for name in SERVES:
                with fixture.client(name) as gateway:
                    gateway.publish_all(list(topics))
                    answers = gateway.answered()
                    gateway.listen()
                    herald.publish_all([*topics, f"over/{name}"])
                    heard = set(gateway.received())
                    herald.answered()
                for topic, (owner, kind) in topics.items():
                    may_write = owner == name and kind not in RECEIVED
                    may_read = owner == name and kind not in SENT
                    if (answers[topic] != NOT_AUTHORISED) != may_write:
                        wrong.append((name, "write", topic))
                    if (topic in heard) != may_read:
                        wrong.append((name, "read", topic))
    assert wrong == []


def test_position_of_two_gateways_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lane-1/reader of ke-busia belongs to gw-1 as well"):
        deployment(tmp_path, {"gw-1": ("lane-1/reader",), "gw-2": ("lane-1/reader", "lane-2/reader")})
