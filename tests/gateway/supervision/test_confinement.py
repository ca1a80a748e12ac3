"""Confinement of workers: replacement for new nodes, forbidden calls, and the rule for production."""

import asyncio

import pytest
from support.gateway.workers import WorkerFixture, worker_fixture
from support.patience import PATIENCE_S

from drivers.driver import StateCode
from drivers.links.link import Action, Cause
from gateway.contract.states import Confinement
from gateway.supervision import confinement
from gateway.supervision.confinement import decide_confinement
from gateway.worker.jail.jail import kernel_confinement

__all__ = ["worker_fixture"]
needs_landlock = pytest.mark.skipif(
    kernel_confinement() is Confinement.NONE, reason="this kernel has no Landlock"
)


@needs_landlock
async def test_new_node_replaces_worker(worker_fixture: WorkerFixture) -> None:
    """Check a device that comes back: in production its node is out of reach of the first worker."""
    wire = await worker_fixture.device("lane-1/reader", is_production=True)
    device = worker_fixture.devices["lane-1/reader"]
    for _ in range(3):
        # The driver opened it: a simulator is refused after that.
        assert (await worker_fixture.notebook.state(StateCode.FAULT)).cause is Cause.SIMULATED
        before = device.pid
        wire.unplug()
        assert (await worker_fixture.notebook.state(StateCode.NO_DEVICE)).cause is Cause.NO_DEVICE
        assert device.pid == before, "an absent device needs no other worker"
        wire.replug()
    assert device.restarts == 0
    assert not [state for _, state in worker_fixture.notebook.states if state.cause is Cause.NO_PERMISSION]


@needs_landlock
async def test_late_node_replaces_worker(worker_fixture: WorkerFixture) -> None:
    wire = await worker_fixture.device("lane-1/reader", plugged=False, is_production=True)
    await worker_fixture.notebook.state(StateCode.NO_DEVICE)
    wire.replug()
    assert (await worker_fixture.notebook.state(StateCode.FAULT)).cause is Cause.SIMULATED


@needs_landlock
async def test_unreachable_node_replaces_worker_slowly(worker_fixture: WorkerFixture) -> None:
    """Check that replacements are bounded, whatever a worker asks for."""
    await worker_fixture.device("lane-1/reader")
    await worker_fixture.notebook.state(StateCode.ONLINE)
    device = worker_fixture.devices["lane-1/reader"]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(5):
        pid = device.pid
        device._replacement_requested = True
        device._process.ended.set()
        async with asyncio.timeout(PATIENCE_S):
            while device.pid in (pid, None):
                await asyncio.sleep(0.005)
    assert loop.time() - begun > 4 * 0.1


async def test_forbidden_call_is_cause(worker_fixture: WorkerFixture) -> None:
    if kernel_confinement() is not Confinement.FULL:
        pytest.skip(f"confinement by this kernel is {kernel_confinement()}")
    wire = await worker_fixture.device("lane-1/reader")
    await wire.wait_for_host()
    await worker_fixture.notebook.state(StateCode.ONLINE)
    await wire.send(b"trace me\n")
    offline = await worker_fixture.notebook.state(StateCode.OFFLINE)
    assert offline.cause is Cause.FORBIDDEN_CALL
    await worker_fixture.notebook.state(StateCode.ONLINE)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Confinement]:
    level = [Confinement.NONE]
    monkeypatch.setattr(confinement, "kernel_confinement", lambda: level[0])
    return level


def test_production_refuses_none(kernel: list[Confinement]) -> None:
    assert not decide_confinement("required", {}, is_production=True).is_permitted
    accepted = decide_confinement("best", {}, is_production=True)
    assert accepted.is_permitted
    assert accepted.problem() is not None
    kernel[0] = Confinement.PARTIAL
    partial = decide_confinement("required", {}, is_production=True)
    assert partial.is_permitted
    problem = partial.problem()
    assert problem is not None
    assert (problem.cause, problem.action) == ("workers_partly_confined", Action.CONFIGURE)
    kernel[0] = Confinement.FULL
    assert decide_confinement("required", {}, is_production=True).problem() is None


def test_variables_ignored_in_production(kernel: list[Confinement]) -> None:
    kernel[0] = Confinement.FULL
    variables = {"BORDERPOST_CONFINE": "0", "BORDERPOST_CONFINE_PATHS": "/a:/b"}
    test = decide_confinement("required", variables, is_production=False)
    assert (test.level, test.is_confined) == (Confinement.NONE, False)
    production = decide_confinement("required", variables, is_production=True)
    assert (production.level, production.is_confined) == (Confinement.FULL, True)
    assert production.further_places == ()
    del variables["BORDERPOST_CONFINE"]
    assert decide_confinement("best", variables, is_production=False).further_places == ("/a", "/b")
