"""Checks of a barrier's tests: commissioned as it is configured now, proof tests, power-on tests."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from drivers.barrier.wiring import BarrierSettings
from drivers.links.link import Action
from gateway.api.models import DeviceTestView, DeviceView, Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import make_finding, make_ok_finding

MONTH = timedelta(days=30.5)
REMIND_BEFORE = timedelta(days=30)
"""Time before a proof test is due from which on it is announced."""


def check_barrier_tests(
    view: DeviceView, configured: DeviceSettings, now: datetime, config: Path, booted: datetime
) -> Iterator[Finding]:
    """Check the dates and results of a barrier's last tests; yields nothing for other devices.

    `booted`: time at which this machine was started.
    """
    settings = configured.settings
    if not isinstance(settings, BarrierSettings):
        return
    tests = {test.kind: test for test in view.tests}
    commissioned = tests.get("commissioning")
    if (text := _commissioning_fault(commissioned, view)) is not None:
        yield make_finding(
            "barrier_not_commissioned",
            "error",
            view.position,
            text,
            Action.CALL_SUPPORT,
            "Keep people out of its way, and test it at the machine: "
            f"borderpost barrier commission {config} {view.position}",
        )
        return
    assert commissioned is not None
    yield from _check_power_on(view, tests.values(), config, booted)
    last = max((test for kind, test in tests.items() if kind != "power_on"), key=lambda test: test.at)
    due = last.at + settings.proof_test_months * MONTH
    how = f"borderpost barrier prooftest {config} {view.position}"
    if not last.passed:
        yield make_finding(
            "proof_test_failed",
            "error",
            view.position,
            f"Its proof test on {last.at:%Y-%m-%d} has failed: it may not protect people any more.",
            Action.CALL_SUPPORT,
            f"Switch the barrier off until it is repaired; then repeat the test: {how}",
        )
    elif now >= due:
        yield make_finding(
            "proof_test_due",
            "warning",
            view.position,
            f"Its proof test has been due since {due:%Y-%m-%d}; the last test was on {last.at:%Y-%m-%d}.",
            Action.CALL_SUPPORT,
            f"Test it at the machine: {how}",
        )
    elif now >= due - REMIND_BEFORE:
        yield make_finding(
            "proof_test_due",
            "notice",
            view.position,
            f"Its next proof test is due on {due:%Y-%m-%d}.",
            Action.CALL_SUPPORT,
            f"Plan the test at the machine: {how}",
        )
    else:
        yield make_ok_finding(
            "proof_test_due",
            view.position,
            f"It was commissioned on {commissioned.at:%Y-%m-%d}; its next proof test is due on "
            f"{due:%Y-%m-%d}.",
        )


def _check_power_on(
    view: DeviceView, tests: Collection[DeviceTestView], config: Path, booted: datetime
) -> Iterator[Finding]:
    """Check that some test was passed since this machine was started; the others include a power-on test."""
    last = max(tests, key=lambda test: test.at)
    how = f"Test it before it is used: borderpost barrier powertest {config} {view.position}"
    if last.kind == "power_on" and not last.passed:
        yield make_finding(
            "power_on_test_failed",
            "error",
            view.position,
            f"Its power-on test on {last.at:%Y-%m-%d} has failed: it may not protect people.",
            Action.CALL_SUPPORT,
            f"Switch the barrier off until it is repaired. {how}",
        )
    elif last.at < booted:
        yield make_finding(
            "power_on_test_due",
            "warning",
            view.position,
            f"It was not tested since this machine was started on {booted:%Y-%m-%d at %H:%M} UTC: after a "
            "loss of power, its positions and its detectors may have changed.",
            Action.CALL_SUPPORT,
            how,
        )


def _commissioning_fault(test: DeviceTestView | None, view: DeviceView) -> str | None:
    """Return the reason why a barrier does not count as commissioned, or None."""
    if test is None:
        return "It was not commissioned: that its wires and relays are as configured was not tested."
    if not test.passed:
        return f"Its commissioning on {test.at:%Y-%m-%d} has failed."
    if test.configuration != view.configuration:
        return (
            f"Its configuration has changed since its commissioning on {test.at:%Y-%m-%d}, "
            "so that test does not hold any more."
        )
    return None
