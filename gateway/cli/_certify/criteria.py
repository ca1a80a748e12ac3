"""Criteria of a certification: judgements over its facts. Pure: no clock, no I/O.

The limits are the project's own: an officer waits for half a minute, not longer.
"""

from collections.abc import Iterator
from enum import StrEnum

from pydantic import Field

from drivers.driver import Family
from drivers.observation import Outcome
from gateway.cli._certify.facts import Attempts, CertificationModel, ChipReads, Facts, Interruption, Moment

NOTICED_S = 30.0
"""Longest time until a loss is reported, in seconds."""
BACK_S = 30.0
"""Longest time until a device that was plugged in is online, in seconds."""
CHIP_READS = 5
"""Least number of presentations of a specimen with a chip; one of them may fail."""
CHIP_S = 30.0
"""Longest time of one chip read, in seconds."""
SPECIMEN_ATTEMPTS = 3
"""Most attempts with a specimen."""
BUSY_ATTEMPTS = 10
SERIES = {Family.PASSPORT_READER: 100}
SERIES_OTHERS = 20
"""Least number of attempts in a series."""
FORMATS = {"td3": "passport", "td1": "small card", "td2": "large card"}
MOMENTS = {
    Moment.IDLE: "Unplugged at rest",
    Moment.READING: "Unplugged during a read",
    Moment.AFTER_READ: "Unplugged after a read",
    Moment.REOPENING: "Unplugged again while it is opened",
    Moment.RESTART: "Absent when its worker process starts",
    Moment.POWER_CUT: "Power cut",
}


class Verdict(StrEnum):
    """Verdict of one criterion."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOT_TRIED = "not_tried"
    """Not tried, or not to its end. Never counts as passed."""


class OverallVerdict(StrEnum):
    """Verdict of a certification."""

    CERTIFIED = "certified"
    """Every required criterion passed."""
    FAILED = "failed"
    """A criterion failed."""
    PARTIAL = "partial"
    """None failed, and a required one was not tried."""


class Criterion(CertificationModel):
    """One criterion, its verdict, and the figures behind it."""

    id: str = Field(examples=["unplug_idle"])
    title: str = Field(examples=["Unplugged at rest"])
    verdict: Verdict = Field(examples=["pass"])
    text: str = Field(description="Reason, in a sentence.", examples=["It was back after 0.4 s."])
    figures: dict[str, float | int | str] = Field({}, examples=[{"noticed_s": 0.1, "back_s": 0.4}])
    is_required: bool = Field(True, description="A certificate needs it.")


def required_series(family: Family) -> int:
    """Return the least number of attempts in a series."""
    return SERIES.get(family, SERIES_OTHERS)


def judge(
    family: Family, facts: Facts, *, can_anonymize: bool = True, reads_chips: bool = False
) -> tuple[Criterion, ...]:
    """Return the criteria of a family of devices.

    `can_anonymize`: its driver has an anonymizer. `reads_chips`: the device has a slot for chips.
    """
    return tuple(_judge(family, facts, can_anonymize, reads_chips))


def sum_up(criteria: tuple[Criterion, ...]) -> OverallVerdict:
    """Return the verdict over all criteria."""
    if any(each.verdict is Verdict.FAIL for each in criteria):
        return OverallVerdict.FAILED
    passed = all(each.verdict is Verdict.PASS for each in criteria if each.is_required)
    return OverallVerdict.CERTIFIED if criteria and passed else OverallVerdict.PARTIAL


def _judge(family: Family, facts: Facts, can_anonymize: bool, reads_chips: bool) -> Iterator[Criterion]:
    yield _identity(facts)
    yield _self_test(facts)
    if family is Family.PASSPORT_READER:
        for name, words in FORMATS.items():
            yield _specimen(name, words, facts.specimens.get(name))
        if reads_chips or facts.chip is not None:
            yield _chip(facts.chip)
    yield _series(family, facts.series)
    yield _busy(facts)
    for moment, title in MOMENTS.items():
        yield _interruption(moment, title, facts.interruptions.get(moment))
    if family is Family.BARRIER:
        yield _unmoved(facts)
        yield _commissioned(facts)
    yield _recording(facts, can_anonymize)


def _not_tried(name: str, title: str, text: str = "It was not tried.", **more: bool) -> Criterion:
    return Criterion(id=name, title=title, verdict=Verdict.NOT_TRIED, text=text, **more)


def _identity(facts: Facts) -> Criterion:
    name, title = "identity", "Identity"
    if not facts.identities:
        return _not_tried(name, title)
    first, others = facts.identities[0], len(facts.identities) - 1
    figures: dict[str, float | int | str] = {
        key: value for key, value in first.model_dump().items() if value is not None
    }
    if others:
        text = f"It reported {others + 1} different identities: it is not the same after a reconnection."
        return Criterion(id=name, title=title, verdict=Verdict.FAIL, text=text, figures=figures)
    text = "It reported the same identity each time."
    if first.serial_number is None:
        text += " It has no serial number, so a replacement cannot be detected."
    return Criterion(id=name, title=title, verdict=Verdict.PASS, text=text, figures=figures)


def _self_test(facts: Facts) -> Criterion:
    name, title = "self_test", "Self-test"
    if facts.self_test is None:
        return _not_tried(name, title)
    passed = sum(step.outcome is Outcome.SUCCESSFUL for step in facts.self_test)
    figures: dict[str, float | int | str] = {"steps": len(facts.self_test), "passed": passed}
    if failed := [step for step in facts.self_test if step.outcome is Outcome.FAILED]:
        text = " ".join(step.text for step in failed)
        return Criterion(id=name, title=title, verdict=Verdict.FAIL, text=text, figures=figures)
    if not passed or any(step.outcome is Outcome.ABORTED for step in facts.self_test):
        return _not_tried(name, title, "It did not end.")
    text = f"{passed} of {len(facts.self_test)} steps passed, and none failed."
    return Criterion(id=name, title=title, verdict=Verdict.PASS, text=text, figures=figures)


def _specimen(name: str, words: str, read: Attempts | None) -> Criterion:
    title = f"Specimen of a {words} ({name.upper()})"
    required = name == "td3"
    name = f"specimen_{name}"
    if read is None or not read.tried:
        return _not_tried(name, title, is_required=required)
    done = read.good > 0 and read.tried <= SPECIMEN_ATTEMPTS
    if read.good:
        text = f"It was read at attempt {read.tried}, with all check digits right."
    else:
        text = f"It was not read in {read.tried} attempts."
    return Criterion(
        id=name,
        title=title,
        verdict=Verdict.PASS if done else Verdict.FAIL,
        text=text,
        figures={"attempts": read.tried},
        is_required=required,
    )


def _chip(reads: ChipReads | None) -> Criterion:
    name, title = "chip", "Chip of a specimen"
    if reads is None or not reads.tried:
        return _not_tried(name, title)
    text = f"{reads.good} of {reads.tried} were read whole, in {reads.openings} openings; 1 may fail."
    if reads.good:
        text += f" The slowest took {reads.slowest_s:g} s; {CHIP_S:g} s are allowed."
    if reads.has_short_commands:
        text += " The slot passes on short commands only."
    verdict = Verdict.PASS
    if reads.missed > 1 or reads.slowest_s > CHIP_S:
        verdict = Verdict.FAIL
    elif reads.tried < CHIP_READS:
        verdict, text = Verdict.NOT_TRIED, f"{text} {CHIP_READS} are needed."
    figures = _counts(reads) | {"openings": reads.openings, "slowest_s": reads.slowest_s}
    if reads.read_bytes is not None:
        figures["read_bytes"] = reads.read_bytes
    return Criterion(id=name, title=title, verdict=verdict, text=text, figures=figures)


def _series(family: Family, series: Attempts | None) -> Criterion:
    wanted = required_series(family)
    name, title = "series", f"{wanted} reads" if family is Family.PASSPORT_READER else f"{wanted} times"
    if series is None or not series.tried:
        return _not_tried(name, title)
    allowed = max(1, wanted // 50)
    text = f"{series.good} of {series.tried} were good; {allowed} may fail."
    verdict = Verdict.PASS
    if series.missed > allowed:
        verdict = Verdict.FAIL
    elif series.tried < wanted:
        verdict, text = Verdict.NOT_TRIED, f"{text} {wanted} are needed."
    return Criterion(id=name, title=title, verdict=verdict, text=text, figures=_counts(series))


def _busy(facts: Facts) -> Criterion:
    name, title, busy = "busy", "Busy machine", facts.busy
    if busy is None:
        return _not_tried(name, title)
    figures = _counts(busy) | {"processes": busy.processes}
    text = f"{busy.good} of {busy.tried} were good while {busy.processes} processes computed; 1 may fail."
    verdict = Verdict.PASS
    if busy.worker_faults:
        verdict, text = Verdict.FAIL, f"Its worker process failed: {', '.join(busy.worker_faults)}."
    elif busy.missed > 1:
        verdict = Verdict.FAIL
    elif busy.tried < BUSY_ATTEMPTS:
        verdict, text = Verdict.NOT_TRIED, f"{text} {BUSY_ATTEMPTS} are needed."
    return Criterion(id=name, title=title, verdict=verdict, text=text, figures=figures)


def _interruption(moment: Moment, title: str, seen: Interruption | None) -> Criterion:
    if seen is None:
        return _not_tried(moment, title)
    figures: dict[str, float | int | str] = {}
    if seen.noticed_s is not None:
        figures["noticed_s"] = seen.noticed_s
    if seen.back_s is not None:
        figures["back_s"] = seen.back_s
    if seen.cause:
        figures["cause"] = seen.cause
    verdict, text = _of_interruption(moment, seen)
    return Criterion(id=moment, title=title, verdict=verdict, text=text, figures=figures)


def _of_interruption(moment: Moment, seen: Interruption) -> tuple[Verdict, str]:
    # A device without power may look like an idle one to its cable, and a restarted machine has seen nothing.
    must_notice = moment is not Moment.POWER_CUT
    if seen.worker_faults:
        return Verdict.FAIL, f"Its worker process failed: {', '.join(seen.worker_faults)}."
    if must_notice and seen.noticed_s is None:
        return Verdict.FAIL, "The gateway did not report the loss."
    if seen.noticed_s is not None and seen.noticed_s > NOTICED_S:
        return Verdict.FAIL, f"The loss was reported after {seen.noticed_s:g} s; {NOTICED_S:g} s are allowed."
    if seen.back_s is None:
        return Verdict.FAIL, "It did not come back."
    if seen.back_s > BACK_S:
        return Verdict.FAIL, f"It came back after {seen.back_s:g} s; {BACK_S:g} s are allowed."
    if seen.works is None:
        return Verdict.NOT_TRIED, "It came back, and was not used afterwards."
    if not seen.works:
        return Verdict.FAIL, "It came back, and did not work."
    noticed = (
        "The loss was not reported: without power its port looks idle."
        if seen.noticed_s is None
        else f"The loss was reported after {seen.noticed_s:g} s."
    )
    if seen.machine_restarted:
        noticed = "The machine was restarted."
    return Verdict.PASS, f"{noticed} It was back after {seen.back_s:g} s, and worked."


def _unmoved(facts: Facts) -> Criterion:
    name, title = "unmoved", "No movement without a command"
    if facts.movements is None:
        return _not_tried(name, title)
    if facts.movements:
        text = f"It moved {facts.movements} times, and no command was sent."
        return Criterion(
            id=name,
            title=title,
            verdict=Verdict.FAIL,
            text=text,
            figures={"movements": facts.movements},
        )
    text = "No command was sent, and it did not move."
    return Criterion(id=name, title=title, verdict=Verdict.PASS, text=text, figures={"movements": 0})


def _commissioned(facts: Facts) -> Criterion:
    name, title = "commissioned", "Commissioning at the machine"
    if facts.commissioned is None:
        return _not_tried(
            name, title, "This configuration is not commissioned: borderpost barrier commission"
        )
    text = "The last commissioning of this configuration " + ("passed." if facts.commissioned else "failed.")
    return Criterion(
        id=name, title=title, verdict=Verdict.PASS if facts.commissioned else Verdict.FAIL, text=text
    )


def _recording(facts: Facts, can_anonymize: bool) -> Criterion:
    name, title = "recording", "Anonymized recording"
    if not facts.recordings:
        text = facts.recording_note or "None was made."
        return _not_tried(name, title, text, is_required=can_anonymize)
    files = ", ".join(facts.recordings)
    text = f"{files}. {facts.recording_note}".strip()
    return Criterion(id=name, title=title, verdict=Verdict.PASS, text=text, is_required=can_anonymize)


def _counts(attempts: Attempts) -> dict[str, float | int | str]:
    return {"tried": attempts.tried, "good": attempts.good}
