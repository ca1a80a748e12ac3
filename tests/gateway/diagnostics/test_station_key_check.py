"""Check of station keys: who may move a machine and cannot sign is reported."""

from typing import Any

import pytest
from support.gateway.signing_stations import SigningStation

from gateway.config import Post, Roles
from gateway.contract.topics import Position
from gateway.diagnostics.checks.station_keys import check_station_keys

COUNTER = SigningStation("counter")


def post(signed: str, keys: dict[str, Any]) -> Post:
    """Return a post with a counter that may move, and a viewer that may not."""
    roles = {
        "authority": "KE",
        "role": {"moves": {"verbs": ["*"], "can_move": True}, "looks": {"verbs": ["look"]}},
        "station": {
            "counter": {"roles": ["moves"], "positions": ["*/*"]},
            "viewer": {"roles": ["looks"], "positions": ["*/*"]},
            "idle": {},
        },
        "key": keys,
    }
    gateway = {"site": "ke-busia", "name": "gw-1", "profile": "test", "state_dir": "/nonexistent"}
    built = Post.model_validate(
        {
            "gateway": gateway,
            "broker": {"host": "127.0.0.1"},
            "commands": {"signed": signed},
            "devices": {},
        }
    )
    return built.model_copy(
        update={"roles": Roles.model_validate(roles), "devices": {Position("lane-1", "barrier"): None}}
    )


@pytest.mark.parametrize(
    ("signed", "keys", "missing"),
    [
        ("off", {}, []),
        ("moves", {}, ["counter"]),
        ("required", {}, ["counter", "viewer"]),
        ("moves", COUNTER.entry(), []),
        ("moves", COUNTER.entry(revoked="lost"), ["counter"]),
    ],
)
def test_station_without_key_is_named(signed: str, keys: dict[str, Any], missing: list[str]) -> None:
    found = [finding for finding in check_station_keys(post(signed, keys)) if finding.severity != "ok"]

    assert [finding.text.split()[1] for finding in found] == missing
    assert all("trust enrol" in finding.how for finding in found)
