"""`make quality`: write the tables of `drivers/README.md` and the list of tried devices.

`python -m quality DRIVER` (with `PYTHONPATH=tests`) prints the evidence of each rule for one driver.
"""

import argparse
import json
import sys
from pathlib import Path

from drivers.installation import OURS
from drivers.registry import installed_drivers, load_driver
from gateway.config.errors import ConfigError
from quality.compatibility import LIST, compatibility_list, read_rows
from quality.evidence import Repository
from quality.package_page import fault_page
from quality.pages import with_tables
from quality.scale import Assessment

ROOT = Path(__file__).parents[2]
README = Path("drivers/README.md")
FAULTS = Path("drivers/packages/README.md")
GRADES = Path("drivers/grades.json")
"""Grades for `borderpost drivers`: an installed gateway has no tests that they could be computed from."""


def read_repository(root: Path = ROOT) -> Repository:
    """Return what the repository shows; raises ConfigError for a wrong row of a tried device."""
    points = installed_drivers()
    ours = sorted(name for name, point in points.items() if point.dist is None or point.dist.name == OURS)
    return Repository(root, {name: load_driver(name) for name in ours}, read_rows(root, ours))


def generated_files(repository: Repository) -> dict[Path, str]:
    """Return the content of every generated file, by its path below the root."""
    assessments = [Assessment.of(repository, source) for source in repository.sources]
    page = (repository.root / README).read_text()
    drivers = {source.name: source.driver for source in repository.sources}
    return {
        README: with_tables(page, assessments),
        LIST: compatibility_list(repository.rows, drivers),
        FAULTS: fault_page(),
        GRADES: json.dumps({one.source.name: f"{one.grade}" for one in assessments}, indent=2) + "\n",
    }


def print_evidence(repository: Repository, name: str) -> bool:
    """Print the evidence for one driver; False if there is no such driver."""
    source = next((one for one in repository.sources if one.name == name), None)
    if source is None:
        print(f"{name} is no driver; drivers: {', '.join(one.name for one in repository.sources)}")
        return False
    assessment = Assessment.of(repository, source)
    print(f"{name}: {assessment.grade}")
    for rule, found in assessment.found.items():
        print(f"  {rule.grade:8} {rule.name}: {'met' if found.is_met else 'NOT MET'}")
        for line in found.missing or found.evidence:
            print(f"           {'without: ' if found.missing else ''}{line}")
    return True


def main() -> int:
    """Write both files, or print the evidence."""
    parser = argparse.ArgumentParser("python -m quality")
    parser.add_argument("driver", nargs="?", help="print the evidence for this driver, and write nothing")
    driver = parser.parse_args().driver
    try:
        repository = read_repository()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    if driver is not None:
        return 0 if print_evidence(repository, driver) else 2
    for path, content in generated_files(repository).items():
        (ROOT / path).write_text(content)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
