"""Commissioning and proof tests of a barrier: recorded for one configuration, kept, and in the audit."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.barriers import site_at
from support.gateway.gateways import GatewayFixture
from support.gateway.in_process import AMINA, TECHNICIAN, gateway_in, plugins, running_gateway

from gateway.api.operations import RecordTest, StepResult
from gateway.audit.hash_chain import AUDIT_FILE
from gateway.ipc.rpc import RpcError

__all__ = ["plugins"]

BARRIER = "lane-1/barrier"


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def gateway(tmp_path: Path, mosquitto: Mosquitto, plugins: None) -> AsyncIterator[GatewayFixture]:
    async with gateway_in(tmp_path, mosquitto) as gateway:
        yield gateway


def result(configuration: str, *, kind: str = "proof_test", passed: bool = True) -> RecordTest:
    steps = (StepResult(name="presence cut", passed=passed), StepResult(name="stop", passed=True))
    return RecordTest.model_validate(
        {"kind": kind, "configuration": configuration, "steps": steps, "reason": "yearly test"}
    )


async def test_tests_are_recorded_kept_and_audited(gateway: GatewayFixture) -> None:
    async with site_at(gateway, BARRIER):
        async with running_gateway(gateway, "modbus-barrier") as running:
            shown = await running.until_state(BARRIER, "online")
            assert len(shown.configuration) == 16
            assert shown.tests == ()
            with pytest.raises(RpcError, match="not the tested one"):
                await running.client.perform(BARRIER, result("0" * 16), AMINA)
            with pytest.raises(RpcError) as refused:
                await running.client.perform(
                    BARRIER, result(shown.configuration, kind="commissioning"), TECHNICIAN
                )
            assert refused.value.code == "not_permitted"

            await running.client.perform(BARRIER, result(shown.configuration, kind="commissioning"), AMINA)
            await running.client.perform(BARRIER, result(shown.configuration, passed=False), TECHNICIAN)

        async with running_gateway(gateway, "modbus-barrier") as running:
            kept = (await running.device(BARRIER)).tests
    assert [(test.kind, test.user, test.passed) for test in kept] == [
        ("commissioning", "amina", True),
        ("proof_test", "otieno", False),
    ]
    lines = [json.loads(line) for line in (gateway.folder / "state" / AUDIT_FILE).read_text().splitlines()]
    recorded = [line["data"] for line in lines if line["type"] == "technician.operation"]
    assert [entry["operation"] for entry in recorded] == ["commissioning", "proof_test"]
    assert "presence cut: FAILED; stop: passed" in recorded[1]["detail"]
