"""Confinement of drivers in the report of a gateway, and at its start in production."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture
from support.gateway.in_process import gateway_in, plugins, running_gateway
from support.process import daemons

from gateway.config import load
from gateway.contract.states import Confinement
from gateway.diagnostics.doctor import gateway_problems
from gateway.gateway import Gateway
from gateway.state_dir import CannotStartError
from gateway.supervision import confinement
from gateway.worker.jail.jail import kernel_confinement

__all__ = ["plugins"]


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


def add_reader(gateway: GatewayFixture) -> None:
    gateway.describe("lane-1/reader")


async def test_report_has_confinement(tmp_path: Path, mosquitto: Mosquitto, plugins: None) -> None:
    async with gateway_in(tmp_path, mosquitto) as gateway:
        add_reader(gateway)
        async with running_gateway(gateway, "faulty") as running:
            assert (await running.client.view()).report.confinement is kernel_confinement()
            private = running.device_at("lane-1/reader").spec.private_paths
            assert {str(tmp_path / "state"), str(gateway.config)} <= set(private)


async def test_doctor_reports_missing_confinement(
    tmp_path: Path, mosquitto: Mosquitto, plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(confinement.SWITCH, "0")
    async with gateway_in(tmp_path, mosquitto) as gateway:
        add_reader(gateway)
        async with running_gateway(gateway, "faulty") as running:
            view = await running.client.view()
            assert view.report.confinement is Confinement.NONE
            found = {each.code: each.severity for each in gateway_problems(view)}
            assert found["workers_not_confined"] == "error"


@pytest.mark.parametrize("policy", ["required", "best"])
async def test_production_without_confinement(
    policy: str, tmp_path: Path, mosquitto: Mosquitto, plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "kernel_confinement", lambda: Confinement.NONE)
    async with gateway_in(tmp_path, mosquitto) as gateway:
        gateway.profile = "production"
        add_reader(gateway)
        text = gateway.config.read_text()
        assert "[supervision]" in text
        gateway.config.write_text(text.replace("[supervision]", f'[supervision]\nconfinement = "{policy}"'))
        if policy == "required":
            refused = Gateway(
                load(gateway.config), gateway.config, daemons.forkserver_client(["faulty"], "error")
            )
            with pytest.raises(CannotStartError, match="cannot confine drivers"):
                await refused.start()
            await refused.stop()
        else:
            async with running_gateway(gateway, "faulty") as running:
                causes = {each.cause for each in (await running.client.view()).report.problems}
                assert "workers_not_confined" in causes
