"""Management API against its own description, with generated requests (schemathesis)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import given, settings
from schemathesis.generation import GenerationMode
from support.console.consoles import console_of, empty_outbox, on_socket
from support.console.fake_daemon import FakeDaemon

EXAMPLES = 3
"""Examples per operation and mode."""


def test_generated_requests_match_description(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    empty_outbox(tmp_path)
    asked: set[str] = set()
    with asyncio.Runner() as loop:
        client = on_socket(console_of(daemon, tmp_path))

        async def ask(case: schemathesis.Case) -> httpx.Response:
            daemon.updates.put_nowait(None)  # a stream has to end
            request = case.as_transport_kwargs(base_url="http://localhost")
            content, cookies = request.pop("data", None), request.pop("cookies")
            assert not cookies, "none is described"
            return await client.request(content=content, **request)

        schema = schemathesis.openapi.from_dict(loop.run(client.get("/openapi.json")).json())
        for result in schema.get_all_operations():
            operation = result.ok()
            holds(operation, GenerationMode.POSITIVE, lambda case: loop.run(ask(case)))
            if operation.body or operation.query or operation.path_parameters:
                holds(operation, GenerationMode.NEGATIVE, lambda case: loop.run(ask(case)))
            asked.add(operation.label)
    assert len(asked) > 15
    assert daemon.touched, "some of it meant something"


def holds(operation: Any, mode: GenerationMode, ask: Callable[[schemathesis.Case], httpx.Response]) -> None:
    """Send valid requests for an existing device, invalid ones for any."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, database=None)
    def each(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and case.path_parameters:
            case.path_parameters = {"lane": "lane-1", "device": "reader"}
        case.validate_response(ask(case))

    each()
