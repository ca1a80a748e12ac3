"""Commissioning, proof test and power-on test of a barrier, as part of its acceptance page."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.protocol import ProtocolKind, protocol
from drivers.driver import Family
from gateway.api.models import DeviceTestView, DeviceView
from gateway.api.operations import RecordTest, RpcError
from gateway.config import ConfigError, load
from gateway.console.auth.auth import Technician
from gateway.console.web.context import ContextDep
from gateway.console.web.i18n import Translate

router = APIRouter(prefix="/devices/{lane}/{device}", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StepView:
    """One step in the language of the page; its name is that of the audit."""

    name: str
    instruction: str
    expected: str


@dataclass(frozen=True, slots=True)
class ProtocolView:
    """One kind of test: its last result and its steps."""

    kind: ProtocolKind
    title: str
    last: DeviceTestView | None
    is_outdated: bool
    """True if the last test was of another configuration."""
    configuration: str
    """Fingerprint of the configuration from which the steps are made."""
    steps: Sequence[StepView]


async def protocol_views(config: Path, device: DeviceView, say: Translate) -> list[ProtocolView]:
    """Return the tests of a barrier; none for other devices, and without a readable configuration."""
    settings = await barrier_settings(config, device)
    if settings is None:
        return []
    titles = {
        ProtocolKind.COMMISSIONING: say("Commissioning"),
        ProtocolKind.PROOF_TEST: say("Proof test"),
        ProtocolKind.POWER_ON: say("Power-on test"),
    }
    views = []
    for kind, title in titles.items():
        last = next((test for test in device.tests if test.kind == kind), None)
        outdated = last is not None and last.configuration != device.configuration
        steps = [
            StepView(step.name, step.instruction.render(say), step.expected.render(say))
            for step in protocol(settings, kind)
        ]
        views.append(ProtocolView(kind, title, last, outdated, settings.fingerprint(), steps))
    return views


async def barrier_settings(config: Path, device: DeviceView) -> BoardBarrierSettings | None:
    """Return the settings of a barrier in the post's file."""
    if device.family is not Family.BARRIER:
        return None
    try:
        post = await asyncio.to_thread(load, config)
    except ConfigError:
        return None
    found = next((each for where, each in post.devices.items() if str(where) == device.position), None)
    settings = found.settings if found is not None else None
    return settings if isinstance(settings, BoardBarrierSettings) else None


@router.post("/test")
async def record_test(
    request: Request, user: Technician, ctx: ContextDep, lane: str, device: str
) -> Response:
    """Record the protocol of a test. A step without an answer has failed."""
    position = f"{lane}/{device}"
    await ctx.live_state.post()
    view = ctx.live_state.device(position)
    settings = await barrier_settings(ctx.config, view) if view is not None else None
    if settings is None:
        raise RpcError("unknown", f"There is no barrier {position} at this post.", "Choose one on the board.")
    form = await request.form()
    kind = str(form.get("kind", ""))
    if kind not in list(ProtocolKind):
        raise RpcError("conflict", "This kind of test is unknown.", "Open the page again.")
    configuration = settings.fingerprint()
    if form.get("configuration") != configuration:
        # The answers are to the steps of another configuration.
        raise RpcError(
            "conflict",
            "The barrier's configuration has changed since the page was opened, so nothing was recorded.",
            "Open the page again, and repeat the test.",
        )
    steps = [
        {"name": step.name, "passed": form.get(f"step-{number}") == "passed"}
        for number, step in enumerate(protocol(settings, ProtocolKind(kind)))
    ]
    operation = RecordTest.model_validate({"kind": kind, "configuration": configuration, "steps": steps})
    await ctx.daemon.perform(position, operation, user.actor)
    return RedirectResponse(f"/devices/{position}/acceptance#h-{kind}", 303)
