"""The description of who is known: sites and lanes from the posts alone, every mistake by its line."""

from pathlib import Path

import pytest
from support.brokers.deployments import PEOPLE, two_state_deployment

from gateway.config import ConfigError
from gateway.pki.acl import mosquitto_acl
from gateway.pki.inventory import load_deployment

KE = 'site = "ke-busia"\n'


def test_sites_gateways_and_lanes_come_from_the_posts(tmp_path: Path) -> None:
    hall = load_deployment(two_state_deployment(tmp_path))

    assert {name: site.lanes for name, site in hall.sites.items()} == {
        "ke-busia": ["lane-1", "lane-2", "lane-3"],
        "ug-busia": ["lane-1", "lane-2", "lane-3"],
    }
    assert [party.name for party in hall.at_site("ug-busia")] == [
        "ug-gw-1", "ug-lane-1", "ug-lane-2", "ug-lane-3", "ug-supervisor", "ug-technician", "ug-hq",
    ]  # fmt: skip


def test_a_training_post_has_a_tree_of_its_own(tmp_path: Path) -> None:
    acl = mosquitto_acl(load_deployment(two_state_deployment(tmp_path, profile="training")))

    topics = [line.split()[-1] for line in acl.splitlines() if line.startswith("topic")]
    assert all(topic.startswith("bgw-training/v1/") for topic in topics)


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        (('name_prefix = "ke-"', 'name_prefix = "ug-"'), "post[1].file", "two are named ug-gw-1"),
        (('file = "ke.toml"', 'file = "none.toml"'), "post[0].file", "there is no such file"),
        (("lane-1/reader", "lane-1/gate"), "post[0].movable_positions", "has no device lane-1/gate"),
        ((f"{KE}[person", "[person"), "person.ke-supervisor", "the site is missing"),
        ((KE, 'site = "ke"\n'), "person.ke-supervisor.site", "no post is of ke"),
        (("[person.ke-hq]", "[person.broker]"), "person.broker", "cannot be a name"),
        (('role = "hq"', 'role = "boss"'), "person.ke-hq.role", "boss"),
        (('lanes = ["lane-3"]', 'lanes = ["lane-9"]'), "shared[0].lanes", "has no lane-9"),
        (('principals = ["ug-lane-3"]', 'principals = ["x"]'), "shared[0].principals", "no principal named x"),
        (("[[shared]]", "[[share]]"), "share", "there is no such section"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is(tmp_path: Path, change: tuple[str, str], key: str, text: str) -> None:
    description = two_state_deployment(tmp_path)
    written = description.read_text()
    assert change[0] in written
    description.write_text(written.replace(*change, 1))

    with pytest.raises(ConfigError) as caught:
        load_deployment(description)

    finding = next(finding for finding in caught.value.issues if text in finding.text)
    assert (finding.key_path, finding.file) == (key, str(description))
    assert finding.line is not None
    assert finding.remedy


def test_training_and_production_have_no_broker_in_common(tmp_path: Path) -> None:
    description = two_state_deployment(tmp_path, people=PEOPLE)
    post = tmp_path / "ug.toml"
    post.write_text(post.read_text().replace('"production"', '"training"'))

    with pytest.raises(ConfigError, match="has its own authority and broker"):
        load_deployment(description)
