"""Criteria of a certification: each verdict from facts, and the report made of them."""

import re
import tomllib
from datetime import UTC, date, datetime
from typing import Any

import pytest

from drivers.compatibility_row import CompatibilityRow, CompatibilityVerdict
from drivers.driver import Family, Identity
from drivers.observation import Check, CheckGroup, Outcome, redact
from drivers.passport.chip_result import AccessMethod, ChipResult, ReadLimit
from drivers.self_test import SelfTestStep
from gateway.cli._certify.chip_reads import ChipRead
from gateway.cli._certify.criteria import (
    BACK_S,
    CHIP_S,
    NOTICED_S,
    Criterion,
    OverallVerdict,
    Verdict,
    judge,
    sum_up,
)
from gateway.cli._certify.facts import Attempts, BusyAttempts, ChipReads, Facts, Interruption, Moment
from gateway.cli._certify.report import Report, TriedDevice
from gateway.cli._certify.report_page import report_page

PASS, FAIL, NOT_TRIED = Verdict.PASS, Verdict.FAIL, Verdict.NOT_TRIED
READER = Family.PASSPORT_READER
GOOD = Interruption(noticed_s=0.1, cause="unplugged", text="It was unplugged.", back_s=0.4, works=True)
STEP = SelfTestStep(name="link.open", outcome=Outcome.SUCCESSFUL, text="The link is open.")
AT = datetime(2026, 12, 1, 20, 30, tzinfo=UTC)


def complete(**changes: Any) -> Facts:
    """Return facts of a reader that passes everything."""
    facts: dict[str, Any] = {
        "identities": (Identity(model="OCR315e", manufacturer="Access-IS", serial_number="A1"),),
        "self_test": (STEP,),
        "specimens": {name: Attempts(tried=1, good=1) for name in ("td3", "td1", "td2")},
        "series": Attempts(tried=100, good=99),
        "busy": BusyAttempts(tried=10, good=10, processes=2),
        "interruptions": dict.fromkeys(Moment, GOOD),
        "recordings": ("recording-1.rec",),
    }
    return Facts.model_validate(facts | changes)


def criterion(name: str, facts: Facts, family: Family = READER) -> Criterion:
    return next(each for each in judge(family, facts) if each.id == name)


def report(facts: Facts, **changes: Any) -> Report:
    device = {
        "site": "uto-test",
        "gateway": "gw-1",
        "gateway_version": "0.1.0",
        "position": "lane-1/reader",
        "driver": "mrz-serial",
        "family": READER,
        "connection": "serial",
        "provenance": "live",
    }
    return Report.of(TriedDevice.model_validate(device | changes), facts, AT, AT)


def test_complete_facts_certify() -> None:
    criteria = judge(READER, complete())
    assert {each.verdict for each in criteria} == {PASS}
    assert sum_up(criteria) is OverallVerdict.CERTIFIED


@pytest.mark.parametrize("family", [each for each in Family if each is not Family.UNKNOWN])
def test_nothing_tried_passes_nothing(family: Family) -> None:
    criteria = judge(family, Facts())
    assert {each.verdict for each in criteria} == {NOT_TRIED}
    assert sum_up(criteria) is OverallVerdict.PARTIAL


@pytest.mark.parametrize("missing", ["identities", "self_test", "series", "busy", "recordings"])
def test_missing_fact_is_no_certificate(missing: str) -> None:
    facts = complete(**{missing: () if missing in {"identities", "recordings"} else None})
    assert sum_up(judge(READER, facts)) is OverallVerdict.PARTIAL


@pytest.mark.parametrize("moment", Moment)
def test_missing_moment_is_no_certificate(moment: Moment) -> None:
    tried = {each: GOOD for each in Moment if each is not moment}
    assert sum_up(judge(READER, complete(interruptions=tried))) is OverallVerdict.PARTIAL


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, PASS, "back after 0.4 s"),
        ({"noticed_s": None}, FAIL, "did not report the loss"),
        ({"noticed_s": NOTICED_S + 1}, FAIL, "31 s"),
        ({"back_s": None, "works": None}, FAIL, "did not come back"),
        ({"back_s": BACK_S + 1}, FAIL, "31 s"),
        ({"works": False}, FAIL, "did not work"),
        ({"works": None}, NOT_TRIED, "not used afterwards"),
        ({"worker_faults": ("worker_crashed",)}, FAIL, "worker_crashed"),
    ],
)
def test_interruption_verdicts(change: dict[str, Any], verdict: Verdict, words: str) -> None:
    seen = GOOD.model_copy(update=change)
    judged = criterion("unplug_idle", complete(interruptions={Moment.IDLE: seen}))
    assert (judged.verdict, words in judged.text) == (verdict, True), judged.text


def test_power_cut_may_be_silent() -> None:
    """A device without power may look idle to its cable; unplugging it may not."""
    silent = GOOD.model_copy(update={"noticed_s": None, "cause": "", "text": ""})
    facts = complete(interruptions={Moment.POWER_CUT: silent, Moment.IDLE: silent})
    assert criterion("power_cut", facts).verdict is PASS
    assert criterion("unplug_idle", facts).verdict is FAIL


@pytest.mark.parametrize(
    ("tried", "good", "verdict"),
    [
        (100, 100, PASS),
        (100, 98, PASS),
        (100, 97, FAIL),
        (99, 99, NOT_TRIED),
        (4, 1, FAIL),
        (0, 0, NOT_TRIED),
    ],
)
def test_hundred_reads(tried: int, good: int, verdict: Verdict) -> None:
    assert criterion("series", complete(series=Attempts(tried=tried, good=good))).verdict is verdict


@pytest.mark.parametrize(
    ("busy", "verdict"),
    [
        (BusyAttempts(tried=10, good=9, processes=2), PASS),
        (BusyAttempts(tried=10, good=8, processes=2), FAIL),
        (BusyAttempts(tried=9, good=9, processes=2), NOT_TRIED),
        (BusyAttempts(tried=10, good=10, processes=2, worker_faults=("heartbeat_lost",)), FAIL),
    ],
)
def test_busy_machine(busy: BusyAttempts, verdict: Verdict) -> None:
    assert criterion("busy", complete(busy=busy)).verdict is verdict


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (Attempts(tried=1, good=1), PASS),
        (Attempts(tried=3, good=1), PASS),
        (Attempts(tried=3, good=0), FAIL),
        (Attempts(), NOT_TRIED),
    ],
)
def test_specimen(read: Attempts, verdict: Verdict) -> None:
    assert criterion("specimen_td3", complete(specimens={"td3": read})).verdict is verdict


def chip_event(**changes: Any) -> dict[str, Any]:
    """Return the redacted read of a specimen with a chip, as the management API shows it."""
    check = Check(id="chip.access", group=CheckGroup.ELECTRONIC, outcome=Outcome.SUCCESSFUL)
    facts: dict[str, Any] = {
        "access": AccessMethod.BAC,
        "data_groups_listed": (1, 2, 3, 7, 14),
        "data_groups_read": (1, 2, 14),
        "sod_sha256": "0" * 64,
        "checks": (check,),
        "commands": 94,
        "attempts": 2,
        "read_bytes": 223,
        "read_limit": ReadLimit.READER,
        "duration_ms": 2840.5,
    }
    shown: dict[str, Any] = redact(ChipResult(**(facts | changes)))
    return shown


def chip_reads(*events: dict[str, Any] | None) -> ChipReads:
    reads = ChipReads()
    for each in events:
        reads = reads.with_read(ChipRead.of(each))
    return reads


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([chip_event()] * 5, PASS),
        ([*[chip_event()] * 4, None], PASS),
        ([*[chip_event()] * 3, None, chip_event(data_groups_read=(1, 14))], FAIL),
        ([*[chip_event()] * 4, chip_event(sod_sha256=None), chip_event(commands=0)], FAIL),
        ([*[chip_event()] * 4, chip_event(duration_ms=CHIP_S * 1000 + 1e3)], FAIL),
        ([chip_event()] * 4, NOT_TRIED),
        ([], NOT_TRIED),
    ],
)
def test_chip(events: list[dict[str, Any] | None], verdict: Verdict) -> None:
    assert criterion("chip", complete(chip=chip_reads(*events))).verdict is verdict


def test_effort_and_checks_of_chip_are_shown() -> None:
    chip = chip_reads(*[chip_event()] * 5)
    made = report(complete(chip=chip), reads_chips=True)
    (judged,) = (each for each in made.criteria if each.id == "chip")
    assert judged.text == (
        "5 of 5 were read whole, in 10 openings; 1 may fail. The slowest took 2.84 s; 30 s are allowed. "
        "The slot passes on short commands only."
    )
    assert judged.figures == {"tried": 5, "good": 5, "openings": 10, "slowest_s": 2.84, "read_bytes": 223}
    page = report_page(made)
    assert "chip.access" in page
    assert "successful 5" in page
    assert Report.model_validate_json(made.model_dump_json()) == made


def test_reader_with_slot_needs_its_chip_tried() -> None:
    assert sum_up(judge(READER, complete(), reads_chips=True)) is OverallVerdict.PARTIAL
    assert "chip" not in {each.id for each in judge(READER, complete())}


def test_cards_are_optional() -> None:
    """A swipe reader of passports has no slot for cards."""
    facts = complete(specimens={"td3": Attempts(tried=1, good=1)})
    assert criterion("specimen_td1", facts).verdict is NOT_TRIED
    assert sum_up(judge(READER, facts)) is OverallVerdict.CERTIFIED


def test_changed_identity_fails() -> None:
    two = (Identity(model="OCR315e", serial_number="A1"), Identity(model="OCR315e", serial_number="A2"))
    assert criterion("identity", complete(identities=two)).verdict is FAIL
    nameless = criterion("identity", complete(identities=(Identity(model="OCR315e"),)))
    assert (nameless.verdict, "no serial number" in nameless.text) == (PASS, True)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [(Outcome.FAILED, FAIL), (Outcome.ABORTED, NOT_TRIED), (Outcome.NOT_SUPPORTED, PASS)],
)
def test_self_test(outcome: Outcome, verdict: Verdict) -> None:
    steps = (STEP, STEP.model_copy(update={"outcome": outcome, "text": "It is dirty."}))
    assert criterion("self_test", complete(self_test=steps)).verdict is verdict
    assert criterion("self_test", complete(self_test=())).verdict is NOT_TRIED


def test_barrier_criteria() -> None:
    facts = complete(movements=0, commissioned=True, series=Attempts(tried=20, good=20))
    assert sum_up(judge(Family.BARRIER, facts)) is OverallVerdict.CERTIFIED
    for change in ({"movements": 1}, {"commissioned": False}):
        failed = facts.model_copy(update=change)
        assert sum_up(judge(Family.BARRIER, failed)) is OverallVerdict.FAILED
    for change in ({"movements": None}, {"commissioned": None}):
        partial = facts.model_copy(update=change)
        assert sum_up(judge(Family.BARRIER, partial)) is OverallVerdict.PARTIAL


def test_row_of_real_device() -> None:
    row = tomllib.loads(report(complete()).row_toml())
    assert row == {
        "driver": "mrz-serial",
        "maker": "Access-IS",
        "model": "OCR315e",
        "firmware": "",
        "connection": "serial",
        "verdict": "certified",
        "certified_on": date(2026, 12, 1),
        "gateway_version": "0.1.0",
        "notes": "",
    }


@pytest.mark.parametrize("provenance", ["simulated", "replayed", ""])
def test_row_of_other_device_is_honest(provenance: str) -> None:
    assert report(complete(), provenance=provenance).row()["verdict"] == CompatibilityVerdict.SIMULATED_ONLY


def test_label_completes_row() -> None:
    facts = complete(identities=(Identity(model="serial reader"),))
    labelled = report(facts, maker="Access-IS", model="OCR315e")
    CompatibilityRow.model_validate(tomllib.loads(labelled.row_toml()))
    row = labelled.row()
    assert (row["maker"], row["model"]) == ("Access-IS", "OCR315e")
    assert "as on the label" in report_page(report(facts))
    assert "as on the label" not in report_page(report(facts, maker="Access-IS"))


def test_row_names_what_is_missing() -> None:
    notes = str(report(complete(busy=None, series=Attempts(tried=100, good=3))).row()["notes"])
    assert notes == "Failed: 100 reads. Not tried: Busy machine."


HOSTILE = '"]\n[x]\n<script>alert(1)</script> \u202e$'


def test_hostile_identity_stays_text() -> None:
    identity = Identity(model=HOSTILE, manufacturer=HOSTILE, serial_number=HOSTILE, firmware=HOSTILE)
    written = report(complete(identities=(identity,)))
    assert tomllib.loads(written.row_toml())["model"] == HOSTILE
    assert "<script" not in report_page(written)
    assert Report.model_validate_json(written.model_dump_json()) == written


def test_page_shows_every_criterion() -> None:
    facts = complete(busy=None, interruptions={Moment.IDLE: GOOD.model_copy(update={"works": False})})
    page = report_page(made := report(facts, provenance="simulated"))
    for each in made.criteria:
        assert each.title in page
        assert each.text in page
    for words in ("FAILED", "not tried", "This device was simulated", "It was unplugged. [unplugged]", "A1"):
        assert words in page
    assert "http" not in page.replace("</html>", ""), "it loads nothing"
    assert "This device was" not in report_page(report(facts))


def test_page_has_words_not_codes() -> None:
    unsupported = STEP.model_copy(update={"outcome": Outcome.NOT_SUPPORTED})
    page = report_page(report(complete(self_test=(STEP, unsupported))))
    assert "not supported" in page
    assert "mrz-serial (passport reader)" in page
    assert not {"not_supported", "passport_reader"} & set(re.findall(r"\w+", page))
