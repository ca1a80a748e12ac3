"""Page of a certification, to print and sign. It loads nothing."""

from datetime import datetime
from html import escape

from gateway.cli._certify.criteria import MOMENTS, Criterion, OverallVerdict, Verdict
from gateway.cli._certify.report import Report
from gateway.cli._render.page import bullets, signatures, table, to_page

ROW_FILE = "compatibility-row.toml"
STYLE = """
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.verdict{border:2px solid;padding:.6em 1em;margin:1em 0}
.verdict b{font-size:1.5em}
.pass,.certified{background:#e3f4e3;border-color:#196b19}
.fail,.failed{background:#fbe1e1;border-color:#a11}
.not_tried,.partial{background:#fff4d6;border-color:#8a6100}
td.mark{white-space:nowrap;font-weight:bold}
.simulated{border:2px dashed #000;padding:.6em 1em}
pre{border:1px solid #888;padding:.6em 1em;white-space:pre-wrap}
"""
MARKS = {
    Verdict.PASS: "\N{CHECK MARK} passed",
    Verdict.FAIL: "\N{BALLOT X} FAILED",
    Verdict.NOT_TRIED: "\N{EM DASH} not tried",
}
SENTENCES = {
    OverallVerdict.CERTIFIED: "Every required criterion passed.",
    OverallVerdict.FAILED: "At least one criterion failed: do not use this device with travellers.",
    OverallVerdict.PARTIAL: "Nothing failed, and not everything was tried: this is no certificate.",
}
UNITS = {"_s": " s", "_ms": " ms"}


def report_page(report: Report) -> str:
    """Return the page of a report."""
    device, facts = report.device, report.facts
    heading = f"Certification of {device.position}"
    parts = [f"<h1>{escape(heading)}</h1>"]
    if device.provenance != "live":
        parts.append(
            f'<p class="simulated"><b>This device was {escape(_kind(report))}.</b> The '
            "report shows that gateway and driver work, and says nothing about a real device.</p>"
        )
    parts += [
        f'<p class="verdict {report.verdict}"><b>{report.verdict.upper()}</b><br>'
        f"{SENTENCES[report.verdict]}</p>",
        _device(report),
        "<h2>Criteria</h2>",
        _criteria(report.criteria),
        "<h2>Losses of cable and power</h2>",
        _interruptions(report),
    ]
    if facts.chip is not None and facts.chip.outcomes:
        chip_rows = [
            (name, ", ".join(f"{_words(outcome)} {count}" for outcome, count in sorted(counts.items())))
            for name, counts in sorted(facts.chip.outcomes.items())
        ]
        parts += ["<h2>Checks of the chip</h2>", table(("Check", "Outcomes, number of reads"), chip_rows)]
    if facts.self_test:
        rows = [(step.name, _words(step.outcome), step.text) for step in facts.self_test]
        parts += ["<h2>Self-test</h2>", table(("Step", "Outcome", "Result"), rows)]
    parts += [
        bullets("Remarks", _remarks(report)),
        f"<h2>Row for the list of tried devices ({ROW_FILE})</h2><pre>{escape(report.row_toml())}</pre>",
        signatures("Technician", "Responsible for the post"),
    ]
    return to_page(heading, "".join(parts), STYLE)


def _device(report: Report) -> str:
    device, first = report.device, report.identity
    facts = [
        ("Post", f"{device.site} / {device.gateway}"),
        ("Driver", f"{device.driver} ({_words(device.family)})"),
        ("Maker", first.manufacturer or "not reported"),
        ("Model", first.model or "not reported"),
        ("Serial number", first.serial_number or "not reported"),
        ("Firmware", first.firmware or "not reported"),
        ("Connection", device.connection or "unknown"),
        ("Kind of device", _kind(report)),
        ("Gateway version", device.gateway_version),
        ("Tried", f"{_time(report.began_at)} to {_time(report.ended_at)}"),
    ]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    return f"<table>{rows}</table>"


def _words(code: str) -> str:
    """Return a code such as `not_supported` as words."""
    return code.replace("_", " ")


def _kind(report: Report) -> str:
    return report.device.provenance or "not identified"


def _criteria(criteria: tuple[Criterion, ...]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.title)}{'' if each.is_required else ' (optional)'}</td>"
        f'<td class="mark {each.verdict}">{MARKS[each.verdict]}</td>'
        f"<td>{escape(each.text)}</td><td>{escape(_figures(each))}</td></tr>"
        for each in criteria
    )
    return f"<table><tr><th>Criterion</th><th>Verdict</th><th>Result</th><th>Figures</th></tr>{rows}</table>"


def _figures(criterion: Criterion) -> str:
    """Return the figures, except those of the identity, which the head of the page has."""
    if criterion.id == "identity":
        return ""
    shown = []
    for name, value in criterion.figures.items():
        ending = next((each for each in UNITS if name.endswith(each)), "")
        words = name.removesuffix(ending).replace("_", " ")
        shown.append(f"{words} {value}{UNITS.get(ending, '')}")
    return ", ".join(shown)


def _interruptions(report: Report) -> str:
    rows = []
    for moment, title in MOMENTS.items():
        if (seen := report.facts.interruptions.get(moment)) is None:
            continue
        works = {True: "yes", False: "NO", None: "not tried"}[seen.works]
        reported = f"{seen.text} [{seen.cause}]" if seen.cause else ""
        rows.append((title, _seconds(seen.noticed_s), reported, _seconds(seen.back_s), works))
    if not rows:
        return "<p>None was tried.</p>"
    return table(("Moment", "Reported after", "Reported as", "Back after", "Worked then"), rows)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"


def _remarks(report: Report) -> list[str]:
    facts = report.facts
    remarks = [
        f"Recording, personal data replaced: {name}. Send it with this report." for name in facts.recordings
    ]
    if facts.recording_note:
        remarks.append(f"Recording: {facts.recording_note}")
    if facts.other_documents:
        remarks.append(
            f"{facts.other_documents} documents were no specimens. They were not counted, and nothing about "
            "them was kept."
        )
    if not (report.identity.manufacturer and report.identity.model):
        remarks.append("State maker and model, as on the label of the device: --maker, --model.")
    if report.verdict is OverallVerdict.PARTIAL:
        remarks.append("The same command with the same folder continues with what was not tried.")
    return remarks or ["None."]


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
