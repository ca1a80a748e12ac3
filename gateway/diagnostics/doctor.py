"""The doctor: looks at everything of a post that can be looked at, and says what is wrong first."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding, PostView
from gateway.config import ConfigError, Post, load
from gateway.diagnostics.checks.accounts import gateway_account
from gateway.diagnostics.checks.audit import look_at_audit
from gateway.diagnostics.checks.brokers import look_at_brokers
from gateway.diagnostics.checks.ca import look_at_authority
from gateway.diagnostics.checks.certificates import look_at_certificates
from gateway.diagnostics.checks.clocks import look_at_clock
from gateway.diagnostics.checks.conflicting_services import look_at_rivals
from gateway.diagnostics.checks.daemon import look_at_gateway
from gateway.diagnostics.checks.files import look_at_files
from gateway.diagnostics.checks.memory_and_heat import look_at_heat, look_at_memory
from gateway.diagnostics.checks.outbox import look_at_backlog
from gateway.diagnostics.checks.smart import look_at_smart
from gateway.diagnostics.checks.storage import look_at_storage
from gateway.diagnostics.checks.ups import look_at_ups
from gateway.diagnostics.checks.usb import look_at_usb
from gateway.diagnostics.device import look_at_device
from gateway.diagnostics.findings import Severity, distinct, found, worst_first
from gateway.diagnostics.host import Surroundings

HOW_BAD: dict[str, Severity] = {
    "broker_open": "error",
    "commands_not_heard": "error",
    "config_refused": "error",
    "disk_error": "error",
    "disk_full": "error",
    "disk_read_only": "error",
    "key_beside_disk": "notice",
    "not_authorised": "error",
    "outbox_corrupt": "error",
    "outbox_full": "error",
}
"""Problems that the gateway tells of itself; what is not here is a warning."""
Look = Callable[[], Iterable[Finding]]


def doctor(config: Path, view: PostView | None = None, around: Surroundings | None = None) -> list[Finding]:
    """Look at everything, the worst first; `view` is what a running gateway tells of itself.

    Takes as long as the slowest broker or device does not answer: seconds.
    """
    around = around or Surroundings()
    machine: list[Look] = [
        lambda: look_at_memory(around),
        lambda: look_at_heat(around),
        lambda: look_at_smart(around),
        lambda: look_at_ups(around),
        lambda: look_at_rivals(around),
    ]
    try:
        post = load(config)
    except ConfigError as error:
        return worst_first([*wrong_config(error), *_all(machine)])
    return worst_first(_all([*_looks(post, config, view, around), *machine]))


def wrong_config(error: ConfigError) -> Iterator[Finding]:
    """What is wrong with the post's file, as findings."""
    for mistake in error.findings:
        place = f"{mistake.file}:{mistake.line}" if mistake.line is not None else mistake.file
        subject = f" {mistake.subject}:" if mistake.key else ""
        yield found(
            "config_wrong",
            "error",
            "config",
            f"{place}:{subject} {mistake.text}.",
            Action.CONFIGURE,
            mistake.remedy,
        )


def general(post: Post, view: PostView | None, around: Surroundings) -> list[Look]:
    """What concerns every device alike, and is quickly looked at: clock, disk and certificates."""
    state_dir = post.gateway.state_dir
    account = gateway_account(state_dir, around)
    return [
        lambda: look_at_clock(state_dir, view, around),
        lambda: look_at_storage(post, account, around),
        lambda: look_at_files(post, account),
        lambda: look_at_certificates(post, around.now()),
    ]


def problems(view: PostView) -> Iterator[Finding]:
    """What the gateway says of itself, as findings."""
    for problem in view.report.problems:
        severity = HOW_BAD.get(problem.cause, "warning")
        yield found(problem.cause, severity, "gateway", problem.text, problem.action, problem.how)


def _looks(post: Post, config: Path, view: PostView | None, around: Surroundings) -> Iterator[Look]:
    if view is None:
        yield lambda: look_at_gateway(post.gateway.state_dir, config, around)
    yield from general(post, view, around)
    yield lambda: look_at_authority(config, post, around.now())
    yield lambda: look_at_brokers(post, around.now())
    yield lambda: look_at_backlog(config, post.gateway.state_dir / "outbox", around.now())
    yield lambda: look_at_audit(config, post.gateway.state_dir)
    yield lambda: look_at_usb(post.devices, around)
    account = gateway_account(post.gateway.state_dir, around)
    seen = {told.position: told for told in view.devices} if view is not None else {}
    for position, device in post.devices.items():
        yield partial(
            look_at_device, config, str(position), device, seen.get(str(position)), (), account, around
        )
    if view is not None:
        yield lambda: problems(view)


def _all(looks: Iterable[Look]) -> list[Finding]:
    """Look at all of it at once: what does not answer takes its time."""
    with ThreadPoolExecutor(16, "doctor") as pool:
        findings_of = pool.map(looked, looks)
        return list(distinct(finding for findings in findings_of for finding in findings))


def looked(look: Look) -> list[Finding]:
    """What one look finds. What nobody thought of must not hide what all others find."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - the machine may be in any state
        at = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(at.filename).name}:{at.lineno}"
        text = f"Something could not be looked at: {type(error).__name__} at {place}."
        return [
            found("look_failed", "notice", "doctor", text, Action.CALL, "borderpost bundle, and send it.")
        ]
