"""Signed commands of a workstation, and the answers that it takes for them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.gateway.signing_stations import SigningStation
from support.patience import PATIENCE_S

from gateway.client import CommandUnanswered
from gateway.client.commands import CommandSender
from gateway.contract.commands import MAX_COMMAND_SEQ, CommandAnswer, request_digest, signed_bytes
from gateway.contract.topics import Position
from gateway.pki.jws import Verifier

BARRIER = Position("lane-1", "barrier")
COUNTER = SigningStation("counter-1")
Answering = Callable[[str, bytes, str | None], Any]


class Desk:
    """A sender whose broker is a function: it gets each command, and answers."""

    def __init__(self, answering: Answering) -> None:
        self.sender = CommandSender("uto-test", "counter-1", signer=COUNTER.signer)
        self.answering = answering
        self.sent: list[tuple[str, bytes, str | None]] = []

    async def publish(self, topic: str, body: bytes, _expires_s: int, jws: str | None) -> int:
        self.sent.append((topic, body, jws))
        for answer in self.answering(topic, body, jws):
            self.sender.on_answer(answer, is_verified=True)
        return 0

    def ask(self, timeout_s: float = 0.1) -> Awaitable[CommandAnswer]:
        return self.sender.send(
            BARRIER,
            "open",
            None,
            "s1",
            self.publish,
            expires_s=3,
            timeout_s=timeout_s,
            transaction=None,
            fresh="token",
        )


def answer_to(body: bytes, digest: str, **more: Any) -> bytes:
    whole = {"cmd_id": json.loads(body)["cmd_id"], "state": "rejected", "request_sha256": digest} | more
    return json.dumps(whole).encode()


async def test_signature_covers_topic_and_body() -> None:
    desk = Desk(lambda topic, body, jws: [answer_to(body, request_digest(topic, body, jws))])
    await desk.ask()

    ((topic, body, jws),) = desk.sent
    assert jws is not None
    assert Verifier([COUNTER.key.public_key()]).check(signed_bytes(topic, body), jws) == COUNTER.signer.kid
    assert json.loads(body)["fresh"] == "token"


async def test_refusal_of_a_changed_copy_is_no_answer() -> None:
    """A broker that sends a changed copy first must not make the station believe that nothing has begun."""
    desk = Desk(lambda topic, body, _jws: [answer_to(body, request_digest(topic, body, "other"))])

    with pytest.raises(CommandUnanswered, match="A copy that was changed on its way was refused"):
        await desk.ask()


async def test_number_of_a_changed_copy_is_ignored() -> None:
    """The number in a refusal of a forged command must not use up those of the station."""
    desk = Desk(
        lambda topic, body, _jws: [
            answer_to(body, request_digest(topic, body, "other"), last_command_seq=MAX_COMMAND_SEQ)
        ]
    )
    with pytest.raises(CommandUnanswered):
        await desk.ask()
    desk.answering = lambda topic, body, jws: [answer_to(body, request_digest(topic, body, jws))]
    async with asyncio.timeout(PATIENCE_S):
        await desk.ask()

    assert json.loads(desk.sent[-1][1])["command_seq"] < MAX_COMMAND_SEQ
