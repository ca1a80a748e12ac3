"""The doctor: runs every check of a post and its machine, and sorts the findings by severity."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding, PostView
from gateway.config import ConfigError, ConfigIssue, Post, load_sound_parts
from gateway.diagnostics.checks.accounts import gateway_account
from gateway.diagnostics.checks.audit import check_audit
from gateway.diagnostics.checks.brokers import check_brokers
from gateway.diagnostics.checks.ca import check_ca
from gateway.diagnostics.checks.certificates import check_certificates
from gateway.diagnostics.checks.clocks import check_clock
from gateway.diagnostics.checks.conflicting_services import check_conflicting_services
from gateway.diagnostics.checks.daemon import check_daemon
from gateway.diagnostics.checks.files import check_files
from gateway.diagnostics.checks.memory_and_heat import check_memory, check_temperature
from gateway.diagnostics.checks.outbox import check_outbox
from gateway.diagnostics.checks.private_keys import check_private_keys
from gateway.diagnostics.checks.smart import check_smart
from gateway.diagnostics.checks.station_keys import check_station_keys
from gateway.diagnostics.checks.storage import check_storage
from gateway.diagnostics.checks.ups import check_ups
from gateway.diagnostics.checks.usb import check_usb
from gateway.diagnostics.device import check_device
from gateway.diagnostics.findings import Severity, make_finding, sort_by_severity, unique_findings
from gateway.diagnostics.host import HostView

SEVERITY_OF_ACTION: dict[str, Severity] = {
    "broker_acl_missing": "error",
    "command_subscription_refused": "error",
    "config_invalid": "error",
    "device_record_not_written": "error",
    "disk_error": "error",
    "disk_full": "error",
    "disk_read_only": "error",
    "encryption_key_on_same_disk": "notice",
    "publish_not_authorised": "error",
    "outbox_corrupt": "error",
    "outbox_full": "error",
    "workers_not_confined": "error",
}
"""Severity of problems that the gateway reports of itself; all others are warnings."""
Check = Callable[[], Iterable[Finding]]


def run_doctor(config: Path, view: PostView | None = None, host: HostView | None = None) -> list[Finding]:
    """Run every check; findings with the highest severity first. `view` comes from a running gateway.

    Takes as long as the slowest broker or device that does not respond: seconds.
    """
    host = host or HostView()
    machine: list[Check] = [
        lambda: check_memory(host),
        lambda: check_temperature(host),
        lambda: check_smart(host),
        lambda: check_ups(host),
        lambda: check_conflicting_services(host),
    ]
    try:
        post = load_sound_parts(config)
    except ConfigError as error:
        return sort_by_severity([*config_findings(error.issues), *_run_all(machine)])
    found = _run_all([*_checks(post, config, view, host), *machine])
    return sort_by_severity([*config_findings(post.tolerated), *found])


def config_findings(issues: Iterable[ConfigIssue], severity: Severity = "error") -> Iterator[Finding]:
    """Yield mistakes in the post's file as findings."""
    for mistake in issues:
        place = f"{mistake.file}:{mistake.line}" if mistake.line is not None else mistake.file
        subject = f" {mistake.subject}:" if mistake.key else ""
        yield make_finding(
            "config_wrong",
            severity,
            "config",
            f"{place}:{subject} {mistake.text}.",
            Action.CONFIGURE,
            mistake.remedy,
        )


def check_general(post: Post, view: PostView | None, host: HostView) -> list[Check]:
    """Return the quick checks that concern all devices: clock, disk and certificates."""
    state_dir = post.gateway.state_dir
    account = gateway_account(state_dir, host)
    return [
        lambda: check_clock(state_dir, view, host),
        lambda: check_storage(post, account, host),
        lambda: check_files(post, account),
        lambda: check_certificates(post, host.now()),
        lambda: check_station_keys(post),
    ]


def gateway_problems(view: PostView) -> Iterator[Finding]:
    """Yield the problems that the gateway reports of itself as findings."""
    for problem in view.report.problems:
        severity = SEVERITY_OF_ACTION.get(problem.cause, "warning")
        yield make_finding(problem.cause, severity, "gateway", problem.text, problem.action, problem.how)


def _checks(post: Post, config: Path, view: PostView | None, host: HostView) -> Iterator[Check]:
    if view is None:
        yield lambda: check_daemon(post.gateway.state_dir, config, host)
    yield from check_general(post, view, host)
    yield lambda: check_ca(config, post, host.now())
    yield lambda: check_private_keys(post)
    yield lambda: check_brokers(post, host.now())
    yield lambda: check_outbox(config, post.gateway.state_dir / "outbox", host.now())
    yield lambda: check_audit(config, post.gateway.state_dir)
    yield lambda: check_usb(post.devices, host)
    account = gateway_account(post.gateway.state_dir, host)
    views = {it.position: it for it in view.devices} if view is not None else {}
    for position, device in post.devices.items():
        view_of = views.get(str(position))
        yield partial(check_device, config, str(position), device, view_of, (), account, host)
    if view is not None:
        yield lambda: gateway_problems(view)


def _run_all(checks: Iterable[Check]) -> list[Finding]:
    """Run all checks at once: some wait seconds for a response."""
    with ThreadPoolExecutor(16, "doctor") as pool:
        findings_of = pool.map(run_check, checks)
        return list(unique_findings(finding for findings in findings_of for finding in findings))


def run_check(check: Check) -> list[Finding]:
    """Run one check; an unexpected error becomes a finding, so that the other checks are still reported."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - the machine may be in any state
        at = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(at.filename).name}:{at.lineno}"
        text = f"A check failed: {type(error).__name__} at {place}. Its subject is unknown."
        return [
            make_finding(
                "check_failed",
                "notice",
                "doctor",
                text,
                Action.CALL_SUPPORT,
                "borderpost bundle, and send the archive to support.",
            )
        ]
