"""Results of scenarios as JUnit XML, which CI systems show."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from gateway.cli._scenario.player import StepOutcome
from gateway.cli._scenario.run import ScenarioResult


def write_junit(file: Path, results: Mapping[str, ScenarioResult]) -> None:
    """Write the results by the names of their files: a suite for each scenario, a case for each step."""
    root = ET.Element("testsuites", name="borderpost scenario")
    for name, result in results.items():
        outcomes = [step.outcome for step in result.steps]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=result.title,
            tests=str(len(outcomes) + bool(result.error)),
            failures=str(outcomes.count(StepOutcome.FAILED)),
            skipped=str(outcomes.count(StepOutcome.NOT_RUN)),
            errors=str(int(bool(result.error))),
            time=f"{sum(step.took_s for step in result.steps):.3f}",
        )
        for number, step in enumerate(result.steps, 1):
            title = f"{number}. {step.title}"
            case = ET.SubElement(suite, "testcase", classname=name, name=title, time=f"{step.took_s:.3f}")
            if step.outcome is StepOutcome.FAILED:
                ET.SubElement(case, "failure", message=step.text)
            elif step.outcome is StepOutcome.NOT_RUN:
                ET.SubElement(case, "skipped")
        if result.error:
            case = ET.SubElement(suite, "testcase", classname=name, name="post")
            ET.SubElement(case, "error", message=result.error.partition("\n")[0])
    ET.indent(root)
    file.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
