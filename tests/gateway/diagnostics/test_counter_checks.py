"""Findings from the counters of a device alone."""

from pathlib import Path

import pytest
from support.console.fake_daemon import device

from drivers.links.link import Cause
from drivers.passport.mrz_serial import MrzSerialSettings
from gateway.api.models import CountersHistoryView, CountersView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.checks.counters import check_counters

CONFIG = Path("/etc/borderpost/post.toml")
SETTINGS = {"port": "/dev/ttyUSB0", "framing": "text"}
READER = DeviceSettings(
    driver="mrz-serial", settings=MrzSerialSettings.model_validate(SETTINGS), raw_settings=SETTINGS
)


def findings(cause: Cause | None = None, **counted: float) -> dict[str, Finding]:
    counters = CountersHistoryView(lifetime=CountersView.model_validate(counted))
    view = device("lane-1/reader", counters=counters)
    view = view.model_copy(update={"state": view.state.model_copy(update={"cause": cause})})
    found = check_counters(view, READER, (), CONFIG)
    return {finding.code: finding for finding in found}


@pytest.mark.parametrize(("attempts", "is_weak"), [(20, False), (29, False), (30, True), (200, True)])
def test_chips_that_lose_power_are_reported(attempts: int, is_weak: bool) -> None:
    found = findings(good_reads=60, chip_reads=20, chip_attempts=attempts, chip_s=90)

    assert set(found) == ({"chip_field_weak"} if is_weak else set())
    if is_weak:
        assert f"20 chips had to be opened {attempts} times" in found["chip_field_weak"].text


def test_few_chips_are_no_finding() -> None:
    assert findings(good_reads=30, chip_reads=9, chip_attempts=90, chip_s=90) == {}


def test_wrong_format_is_no_dirty_glass() -> None:
    assert set(findings(good_reads=200, bad_reads=200)) == {"sensor_dirty"}
    assert findings(Cause.WRONG_FORMAT, good_reads=200, bad_reads=200) == {}
