"""Hostile broker that shows other pictures than the camera's: the workstation shows signed, new ones only."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters import PreviewAdapter
from gateway.client import RejectedMessage
from gateway.client.decoder import Decoder
from gateway.client.freshness import SILENCE_S, Freshness
from gateway.client.site_view import SiteView
from gateway.client.verification import StatementCheck
from gateway.contract.topics import DeviceTopic
from gateway.pki.jws import Signer
from gateway.pki.statements import StatementSigner

PREFIX = "bgw/v1/uto-test/"
TOPIC = f"{PREFIX}lane-1/camera/preview/counter-1"
GATEWAY = "uto-test/gw-1"


class Post:
    """A gateway that signs, the messages it sent, and a workstation that verifies them."""

    def __init__(self, session: str = "session-1") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.rejected: list[RejectedMessage] = []
        self.freshness = Freshness()
        check = StatementCheck(
            {GATEWAY: [self.key.public_key()]}, PREFIX, self.freshness, self.rejected.append
        )
        self.view = SiteView(lambda status: None, Decoder(()), self.freshness, check)
        self.sent: list[SimpleNamespace] = []
        self.gateway(session)

    def gateway(self, session: str, key: Ed25519PrivateKey | None = None) -> None:
        """Start a session of the gateway, or of one with another key."""
        self.signer = StatementSigner(session, PREFIX, Signer(key or self.key).sign)
        parts: Any = SimpleNamespace(delivery=self, statements=self.signer)
        self.adapter = PreviewAdapter(parts)

    def send_preview(self, topic: str, frame: bytes, expiry_s: int, **more: Any) -> None:
        properties = SimpleNamespace(UserProperty=list(more["user"]), MessageExpiryInterval=expiry_s)
        self.sent.append(SimpleNamespace(topic=topic, payload=frame, properties=properties, retain=False))

    publish_answer = send_preview

    def token(self) -> None:
        body = self.signer.token_message("token")
        topic = f"{PREFIX}_gw/gw-1/fresh"
        properties = SimpleNamespace(UserProperty=list(self.signer.sign(topic, body)))
        self.view.on_token(
            "gw-1",
            SimpleNamespace(topic=topic, payload=body, properties=properties, retain=False),  # type: ignore[arg-type]
            asyncio.get_running_loop().time(),
        )

    def picture(self, frame: bytes) -> SimpleNamespace:
        self.adapter.send_preview(TOPIC, frame)
        return self.sent[-1]

    def shows(self, message: SimpleNamespace) -> bool:
        where = DeviceTopic.parse(message.topic)
        assert where is not None
        return self.view.accepts(where, message)  # type: ignore[arg-type]


@pytest.fixture
async def post() -> Any:
    post = Post()
    post.token()
    yield post
    post.view.stop()


async def test_signed_pictures_are_shown_once(post: Post) -> None:
    first, second = post.picture(b"1"), post.picture(b"2")
    post.adapter.clear_preview(TOPIC)
    assert [post.shows(each) for each in (first, second, first, second, post.sent[-1])] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert {each.kind for each in post.rejected} == {"preview"}


async def test_forged_picture_is_not_shown(post: Post) -> None:
    genuine = post.picture(b"1")
    unsigned = SimpleNamespace(**{**vars(genuine), "properties": None})
    changed = SimpleNamespace(**{**vars(genuine), "payload": b"2"})
    moved = SimpleNamespace(**{**vars(genuine), "topic": TOPIC.replace("lane-1", "lane-2")})
    ended = SimpleNamespace(**{**vars(genuine), "payload": b""})
    assert not any(map(post.shows, (unsigned, changed, moved, ended)))
    post.gateway("session-1", Ed25519PrivateKey.generate())
    assert not post.shows(post.picture(b"3"))
    assert post.shows(genuine)


async def test_picture_of_ended_session_is_not_shown(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    old = post.picture(b"old")
    loop = asyncio.get_running_loop()
    later_s = loop.time() + SILENCE_S + 1
    monkeypatch.setattr(loop, "time", lambda: later_s)
    assert not post.shows(old)
    post.gateway("session-2")
    post.token()
    assert not post.shows(old)
    assert post.shows(post.picture(b"new"))
