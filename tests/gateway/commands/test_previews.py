"""Who is shown what a camera sees, and when it is wiped; all that is around it is written down."""

import pytest

from drivers.driver import Condition
from gateway.commands.previews import Previews
from gateway.contract.topics import Position, SiteTopics

CAMERA = Position("lane-1", "camera")
TOPICS = SiteTopics("uto-test", "gw-1")
MINE, THEIRS = (TOPICS.preview(CAMERA, station) for station in ("lane-1", "lane-2"))


class Around:
    def __init__(self) -> None:
        self.held: str | None = "lane-1"
        self.log: list[tuple[str, object]] = []

    def holder(self, position: Position) -> str | None:
        return self.held

    def glimpse(self, topic: str, picture: bytes) -> None:
        self.log.append((topic, picture))

    def wipe(self, topic: str) -> None:
        self.log.append((topic, b""))

    def tell_holder(self, position: Position, holder: str | None) -> None:
        self.log.append(("told", holder))


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def previews(around: Around) -> Previews:
    previews = Previews(TOPICS, around)
    previews.show(CAMERA, "lane-1", b"jpeg")
    assert around.log == [(MINE, b"jpeg")]
    around.log.clear()
    return previews


def test_it_is_wiped_when_the_claim_ends(previews: Previews, around: Around) -> None:
    previews.claim_changed(CAMERA, None)
    assert around.log == [(MINE, b""), ("told", None)]


def test_who_steals_the_claim_is_shown_nothing_of_the_others(previews: Previews, around: Around) -> None:
    around.held = "lane-2"
    previews.claim_changed(CAMERA, "lane-2")
    previews.show(CAMERA, "lane-1", b"late")
    previews.show(CAMERA, "lane-2", b"own")
    assert around.log == [(MINE, b""), ("told", "lane-2"), ("told", "lane-2"), (THEIRS, b"own")]


def test_nobody_is_shown_anything_without_a_claim(around: Around) -> None:
    around.held = None
    Previews(TOPICS, around).show(CAMERA, "lane-1", b"jpeg")
    assert around.log == [("told", None)]


def test_it_is_wiped_when_the_camera_says_so_or_is_gone(previews: Previews, around: Around) -> None:
    previews.show(CAMERA, "lane-1", b"")
    assert around.log == [(MINE, b"")]
    previews.show(CAMERA, "lane-1", b"jpeg")
    previews.state_changed(CAMERA, Condition.DEGRADED)
    previews.state_changed(CAMERA, Condition.OFFLINE)
    previews.state_changed(CAMERA, Condition.STARTING)
    assert around.log == [(MINE, b""), (MINE, b"jpeg"), (MINE, b"")]


def test_it_ends_when_nobody_listens(previews: Previews, around: Around) -> None:
    previews.unheard(THEIRS)
    assert around.log == []
    previews.unheard(MINE)
    assert around.log == [(MINE, b""), ("told", None)]
