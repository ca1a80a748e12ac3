"""The control API tells the truth about what a simulated post presented."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.cast.members import CAST
from simulators.control import send_command
from simulators.post import Post

pytestmark = pytest.mark.usefixtures("forked_simulators")

TWO_READERS = """
[[simulator]]
name = "lane-1/page"
kind = "document-bridge"
port = 0
dwell_s = 600

[[simulator]]
name = "lane-1/swipe"
kind = "serial-mrz"
framing = "accessis"
path = "${BORDERPOST_RUN}/swipe"

[[simulator]]
name = "lane-1/camera"
kind = "camera-snapshot"
port = 0
"""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    described = tmp_path / "post.toml"
    described.write_text(TWO_READERS)
    async with Post.start(described, run_dir=tmp_path / "run", on_event=lambda *_: None) as running:
        yield running


async def do(post: Post, verb: str, **arguments: Any) -> dict[str, Any]:
    return await send_command(post.socket_path, {"do": verb, **arguments})


async def test_truth_about_a_member_of_the_cast(post: Post) -> None:
    answer = await do(post, "insert", name="lane-1/page", member="photocopy")
    truth = answer["truth"]
    assert (truth["member"], truth["genuine"], truth["forged"]) == ("photocopy", False, "whole page")
    assert truth["shows"] == ["infrared", "ultraviolet"]
    assert truth["says"]["optical.uv_br_fu"] == {"outcome": "failed", "reason": "feature_failed"}
    told = await do(post, "truth")
    assert told["presented"] == [{"simulator": "lane-1/page", **truth}]


async def test_truth_about_several_readers_in_their_order(post: Post) -> None:
    await do(post, "insert", name="lane-1/swipe", member="altered-digit")
    await do(post, "insert", name="lane-1/page", format="TD3", copied=True)
    await do(post, "insert", name="lane-1/page", lines=["IDUTOANY", "THING"])
    told = (await do(post, "truth", last=10))["presented"]
    assert [(one["simulator"], one["member"], one["genuine"]) for one in told] == [
        ("lane-1/swipe", "altered-digit", False),
        ("lane-1/page", None, False),
        ("lane-1/page", None, None),
    ]
    of_one = (await do(post, "truth", name="lane-1/page", last=10))["presented"]
    assert [one["presentation"] for one in of_one] == [1, 2]


async def test_truth_has_no_data_of_a_document(post: Post) -> None:
    fields = {"surname": "Zzleakmarker", "number": "ZZ1234567"}
    await do(post, "insert", name="lane-1/page", format="TD3", fields=fields)
    answer = await do(post, "insert", name="lane-1/swipe", member="child")
    told = json.dumps(await do(post, "truth", last=10))
    surname = answer["lines"][0][5:].partition("<<")[0]
    assert not any(word in told.upper() for word in ("ZZLEAKMARKER", "ZZ1234567", surname))


async def test_reset_forgets_the_truth(post: Post) -> None:
    await do(post, "insert", name="lane-1/page", member="ordinary")
    assert (await do(post, "reset"))["ok"]
    assert (await do(post, "truth", last=10))["presented"] == []


@pytest.mark.parametrize("name", ["lane-1/page", "lane-1/swipe"])
async def test_unknown_member_is_refused(post: Post, name: str) -> None:
    answer = await do(post, "insert", name=name, member="somebody")
    assert answer["error"].startswith("member: 'somebody' is not one of ordinary, ")
    answer = await do(post, "insert", name=name, member="child", format="TD3")
    assert answer == {"ok": False, "error": "insert: a member of the cast has its document: omit all else"}


async def test_device_without_documents_keeps_no_truth(post: Post) -> None:
    answer = await do(post, "truth", name="lane-1/camera")
    assert answer["ok"] is False


def test_member_has_the_same_document_at_every_presentation() -> None:
    assert all(one.presentation().lines == one.presentation().lines for one in CAST.values())
    numbers = [one.number for one in CAST.values()]
    assert len(numbers) == len(set(numbers))
