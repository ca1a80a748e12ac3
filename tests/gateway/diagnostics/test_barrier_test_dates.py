"""Reminders of commissioning and proof tests of a barrier."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.console.fake_daemon import device

from drivers.driver import Family
from gateway.api.models import DeviceTestView, DeviceView, Finding
from gateway.config import DeviceSettings, load
from gateway.diagnostics.checks.barrier_tests import check_barrier_tests

CONFIG = Path(__file__).parents[3] / "config" / "example.toml"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
BARRIER = "lane-1/barrier"
MONTH, HOUR = timedelta(days=30.5), timedelta(hours=1)


@cache
def configured() -> DeviceSettings:
    return next(each for where, each in load(CONFIG, {}).devices.items() if str(where) == BARRIER)


def last_test(kind: str, ago: timedelta, *, passed: bool = True, other: bool = False) -> DeviceTestView:
    configuration = "0" * 16 if other else configured().settings.fingerprint()
    return DeviceTestView.model_validate(
        {"kind": kind, "at": NOW - ago, "user": "amina", "configuration": configuration, "passed": passed}
    )


def found(*tests: DeviceTestView) -> Finding:
    view: DeviceView = device(
        BARRIER,
        family=Family.BARRIER,
        configuration=configured().settings.fingerprint(),
        tests=tests,
    )
    (finding,) = check_barrier_tests(view, configured(), NOW, CONFIG, NOW - 100 * MONTH)
    return finding


@pytest.mark.parametrize(
    ("tests", "code", "severity"),
    [
        ([], "barrier_not_commissioned", "error"),
        ([("commissioning", MONTH, {"passed": False})], "barrier_not_commissioned", "error"),
        ([("commissioning", MONTH, {"other": True})], "barrier_not_commissioned", "error"),
        ([("commissioning", MONTH, {})], "proof_test_due", "ok"),
        ([("commissioning", 5.5 * MONTH, {})], "proof_test_due", "notice"),
        ([("commissioning", 7 * MONTH, {})], "proof_test_due", "warning"),
        ([("commissioning", 20 * MONTH, {}), ("proof_test", MONTH, {})], "proof_test_due", "ok"),
        (
            [("commissioning", 20 * MONTH, {}), ("proof_test", MONTH, {"passed": False})],
            "proof_test_failed",
            "error",
        ),
    ],
)
def test_due_and_failed_tests_are_reported(
    tests: list[tuple[str, timedelta, dict[str, Any]]], code: str, severity: str
) -> None:
    finding = found(*(last_test(kind, ago, **more) for kind, ago, more in tests))
    assert (finding.code, finding.severity) == (code, severity)
    if severity != "ok":
        assert "borderpost barrier " in finding.how


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ([("commissioning", MONTH, {})], "power_on_test_due"),
        ([("commissioning", MONTH, {}), ("power_on", 2 * HOUR, {})], "power_on_test_due"),
        ([("commissioning", MONTH, {}), ("power_on", HOUR / 2, {})], None),
        ([("commissioning", MONTH, {}), ("proof_test", HOUR / 2, {})], None),
        ([("commissioning", HOUR / 2, {})], None),
        ([("commissioning", MONTH, {}), ("power_on", HOUR / 2, {"passed": False})], "power_on_test_failed"),
    ],
)
def test_power_on_test_is_due_after_a_start(
    tests: list[tuple[str, timedelta, dict[str, Any]]], code: str | None
) -> None:
    view: DeviceView = device(
        BARRIER,
        family=Family.BARRIER,
        configuration=configured().settings.fingerprint(),
        tests=tuple(last_test(kind, ago, **more) for kind, ago, more in tests),
    )
    found = {one.code: one for one in check_barrier_tests(view, configured(), NOW, CONFIG, NOW - HOUR)}
    assert found.keys() - {"proof_test_due"} == ({code} if code else set())
    if code:
        assert "borderpost barrier powertest" in found[code].how


def test_power_on_test_is_no_proof_test() -> None:
    tests = (last_test("commissioning", 20 * MONTH), last_test("power_on", timedelta()))
    assert (found(*tests).code, found(*tests).severity) == ("proof_test_due", "warning")
