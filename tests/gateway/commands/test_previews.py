"""Receivers of previews, and when a preview ends. The gateway around it is a recorder."""

import pytest

from drivers.driver import StateCode
from gateway.commands.previews import Previews
from gateway.contract.topics import Position, SiteTopics

CAMERA = Position("lane-1", "camera")
TOPICS = SiteTopics("uto-test", "gw-1")
MINE, THEIRS = (TOPICS.preview(CAMERA, station) for station in ("lane-1", "lane-2"))


class FakeGatewayPort:
    def __init__(self) -> None:
        self.held: str | None = "lane-1"
        self.log: list[tuple[str, object]] = []

    def holder(self, position: Position) -> str | None:
        assert position == CAMERA
        return self.held

    def send_preview(self, topic: str, frame: bytes) -> None:
        self.log.append((topic, frame))

    def clear_preview(self, topic: str) -> None:
        self.log.append((topic, b""))

    def set_claim_holder(self, position: Position, holder: str | None) -> None:
        assert position == CAMERA
        self.log.append(("told", holder))


@pytest.fixture
def around() -> FakeGatewayPort:
    return FakeGatewayPort()


@pytest.fixture
def previews(around: FakeGatewayPort) -> Previews:
    previews = Previews(TOPICS, around)
    previews.on_frame(CAMERA, "lane-1", b"jpeg")
    assert around.log == [(MINE, b"jpeg")]
    around.log.clear()
    return previews


def test_preview_ends_with_claim(previews: Previews, around: FakeGatewayPort) -> None:
    previews.on_claim_changed(CAMERA, None)
    assert around.log == [(MINE, b""), ("told", None)]


def test_new_holder_sees_no_earlier_picture(previews: Previews, around: FakeGatewayPort) -> None:
    around.held = "lane-2"
    previews.on_claim_changed(CAMERA, "lane-2")
    previews.on_frame(CAMERA, "lane-1", b"late")
    previews.on_frame(CAMERA, "lane-2", b"own")
    assert around.log == [(MINE, b""), ("told", "lane-2"), ("told", "lane-2"), (THEIRS, b"own")]


def test_no_preview_without_claim(around: FakeGatewayPort) -> None:
    around.held = None
    Previews(TOPICS, around).on_frame(CAMERA, "lane-1", b"jpeg")
    assert around.log == [("told", None)]


def test_preview_ends_with_camera(previews: Previews, around: FakeGatewayPort) -> None:
    previews.on_frame(CAMERA, "lane-1", b"")
    assert around.log == [(MINE, b"")]
    previews.on_frame(CAMERA, "lane-1", b"jpeg")
    previews.on_state(CAMERA, StateCode.DEGRADED)
    previews.on_state(CAMERA, StateCode.OFFLINE)
    previews.on_state(CAMERA, StateCode.STARTING)
    assert around.log == [(MINE, b""), (MINE, b"jpeg"), (MINE, b"")]


def test_it_ends_when_nobody_listens(previews: Previews, around: FakeGatewayPort) -> None:
    previews.on_no_subscriber(THEIRS)
    assert around.log == []
    previews.on_no_subscriber(MINE)
    assert around.log == [(MINE, b""), ("told", None)]
