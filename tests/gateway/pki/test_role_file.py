"""Role file and access list that an authority makes: each principal's roles, positions and topics."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.brokers.deployments import two_state_deployment
from support.gateway.signing_stations import SigningStation

from gateway.config.role_file import load_roles
from gateway.contract.topics import Position
from gateway.pki.acl import AclEntry, acl_entries, mosquitto_acl, role_file
from gateway.pki.inventory import Deployment, load_deployment
from gateway.pki.role_keys import StationKeyRecord

READER = Position("lane-1", "reader")


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return load_deployment(two_state_deployment(tmp_path))


def made(deployment: Deployment, *revoked: str, keys: tuple[StationKeyRecord, ...] = ()) -> dict[str, Any]:
    return tomllib.loads(role_file(deployment, "ke-busia", revoked, keys))


def test_stations_of_a_site_have_roles(deployment: Deployment) -> None:
    own = [f"ke-{name}" for name in ("lane-1", "lane-2", "lane-3", "supervisor", "technician", "hq")]
    assert made(deployment) == {
        "authority": "KE",
        "role": {
            "counter": {"verbs": ["*"]},
            "supervisor": {"verbs": ["*"], "can_move": True, "can_steal": True},
            "mover": {"verbs": ["*"], "positions": ["lane-1/reader"], "can_move": True},
        },
        "station": {
            "ke-lane-1": {"roles": ["counter", "mover"], "positions": ["lane-1/*"]},
            "ke-lane-2": {"roles": ["counter"], "positions": ["lane-2/*"]},
            "ke-lane-3": {"roles": ["counter"], "positions": ["lane-3/*"]},
            "ke-supervisor": {"roles": ["supervisor"], "positions": ["*/*"]},
            "ke-technician": {},
            "ke-hq": {},
        }
        | {name.replace("ke-", "ug-"): {"authority": "UG"} for name in own},
    }


def test_site_of_the_same_authority_is_known(deployment: Deployment) -> None:
    deployment.sites["ug-busia"] = replace(deployment.sites["ug-busia"], authority="KE")
    assert made(deployment)["station"]["ug-lane-1"] == {}


def test_revoked_principal_is_in_no_role_file(deployment: Deployment) -> None:
    stations = made(deployment, "ke-lane-2", "ug-hq")["station"]
    assert {"ke-lane-2", "ug-hq"}.isdisjoint(stations)
    assert {"ke-lane-1", "ke-lane-3", "ug-lane-2"} <= stations.keys()


def test_role_file_is_readable(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "roles.toml"
    file.write_text(role_file(deployment, "ke-busia"))
    roles = load_roles(file)
    moves = {name: roles.grant(name, READER).can_move for name in ("ke-lane-1", "ke-lane-2", "ke-supervisor")}
    assert moves == {"ke-lane-1": True, "ke-lane-2": False, "ke-supervisor": True}
    assert roles.grant("ug-lane-1", READER).is_foreign
    assert not roles.grant("ke-gw-1", READER).is_known
    assert file.read_text().startswith("# Made by `borderpost trust`")


def test_stations_move_their_own_lane_only(tmp_path: Path) -> None:
    """Lanes with the longest permitted names, which differ in their last two letters only."""
    lanes = [f"{'departures-hall-lorries-booth-':-<30}{number}" for number in ("01", "02", "03")]
    movable = [f"{lane}/reader" for lane in lanes[:2]]
    deployment = load_deployment(two_state_deployment(tmp_path, lanes=(*lanes, "lane-3"), movable=movable))
    file = tmp_path / "roles.toml"
    file.write_text(role_file(deployment, "ke-busia"))
    roles = load_roles(file)
    may_move = {
        (station[-2:], lane[-2:])
        for station in (f"ke-{lane}" for lane in lanes)
        for lane in lanes
        if roles.grant(station, Position(lane, "reader")).can_move
    }
    assert may_move == {("01", "01"), ("02", "02")}


def test_keys_of_commanding_stations_are_listed(deployment: Deployment) -> None:
    names = ("ke-lane-1", "ke-lane-2", "ke-supervisor", "ke-gw-1", "ug-lane-1")
    signing = [SigningStation(name) for name in names]
    keys = tuple(StationKeyRecord(one.signer.kid, one.name, one.public_key) for one in signing)
    keys = (replace(keys[0], revoked="lost"), *keys[1:])
    listed = made(deployment, "ke-lane-2", keys=keys)["key"]
    assert {entry["station"] for entry in listed.values()} == {"ke-lane-1", "ke-supervisor"}
    assert listed[keys[0].kid]["revoked"] == "lost"


def test_gateway_has_topics_of_each_position(deployment: Deployment) -> None:
    rights = {right for right in acl_entries(deployment) if right.name == "ke-gw-1"}
    for lane in ("lane-1", "lane-2", "lane-3"):
        assert AclEntry("ke-gw-1", "readwrite", f"bgw/v1/ke-busia/{lane}/reader/state") in rights
    assert len([right for right in rights if right.topic.endswith("/state")]) == 4
    assert len({right.topic for right in rights if "_gw/" in right.topic}) == 3


def test_shared_lanes_are_read_by_their_guests(deployment: Deployment) -> None:
    abroad = {
        right
        for right in acl_entries(deployment)
        if right.topic.startswith("bgw/v1/ke-busia/") and right.name.startswith("ug-")
    }
    states = ("_gw/+/state", *(f"lane-3/+/{kind}" for kind in ("desc", "state", "claim", "now/+")))
    assert abroad == {AclEntry("ug-lane-3", "read", f"bgw/v1/ke-busia/{topic}") for topic in states}


def test_access_list_has_a_section_a_user(deployment: Deployment) -> None:
    text = mosquitto_acl(deployment, ["ke-lane-2"])
    sections = text.split("\n\n")
    assert sections[0].startswith("# Made by `borderpost trust`")
    users = [section.splitlines()[1].removeprefix("user ") for section in sections[1:]]
    assert users == [name for name in deployment.principals if name != "ke-lane-2"]
    lane_1 = sections[1 + users.index("ke-lane-1")].splitlines()
    assert lane_1[0] == "# A lane's station."
    assert "topic write bgw/v1/ke-busia/lane-1/+/cmd/+/ke-lane-1" in lane_1
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    ("verb", "topic", "allowed"),
    [
        ("read", "a/b/c", True),
        ("write", "a/b/c", True),
        ("read", "a//c", True),
        ("read", "a/b/d", False),
        ("read", "a/b", False),
        ("read", "a/b/c/d", False),
    ],
)
def test_entry_allows_its_topics(verb: Any, topic: str, allowed: bool) -> None:
    assert AclEntry("x", "readwrite", "a/+/c").allows(verb, topic) is allowed
    assert not AclEntry("x", "write", "a/+/c").allows("read", topic)
