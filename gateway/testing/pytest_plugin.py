"""pytest plugin: the criteria of the acceptance as tests, beside those of a driver's own package.

One line in its pyproject.toml makes a test of each criterion and driver:

    [tool.pytest.ini_options]
    accept_drivers = ["borderpost-acme-scale"]

`pytest --accept-drivers borderpost-acme-scale` does the same once. Every pytest of an environment loads this
module, so it imports what it needs when it is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gateway.testing.acceptance import Criterion, DriverTrial
    from gateway.testing.packages import DriverPackage

HELP = "packages whose drivers are accepted: each criterion of each driver is a test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting."""
    parser.getgroup("borderpost").addoption(
        "--accept-drivers", metavar="PACKAGE", action="append", default=[], help=HELP
    )
    parser.addini("accept_drivers", HELP, type="args", default=[])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests of the packages; those of the setting, unless files or tests are named."""
    names = list(config.getoption("accept_drivers"))
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        names = [*config.getini("accept_drivers"), *names]
    for name in dict.fromkeys(names):
        items.extend(AcceptedPackage.from_parent(session, name=name, nodeid=name).collect())


class AcceptedPackage(pytest.Collector):
    """The drivers of one package."""

    def collect(self) -> Iterator["AcceptanceItem"]:
        """Yield a test for each driver and criterion."""
        from gateway.testing.criteria import ADVISED, CRITERIA
        from gateway.testing.packages import PackageError, find_package

        try:
            package = find_package(self.name)
        except PackageError as error:
            raise pytest.UsageError(str(error)) from None
        for driver in package.drivers:
            trials = SharedTrial(package, driver)
            for criterion in (*CRITERIA, *ADVISED):
                yield AcceptanceItem.from_parent(
                    self,
                    name=f"{driver}: {criterion.name}",
                    trials=trials,
                    criterion=criterion,
                    is_advised=criterion in ADVISED,
                )


class SharedTrial:
    """The trial of one driver, whose recordings are played once for all criteria of a process."""

    def __init__(self, package: "DriverPackage", driver: str) -> None:
        self._package = package
        self._driver = driver
        self._trial: DriverTrial | None = None

    def trial(self, folder: Any) -> "DriverTrial":
        """Return the trial, with a folder for the devices of the next criterion."""
        from gateway.testing.acceptance import DriverTrial

        if self._trial is None:
            self._trial = DriverTrial(self._package, self._driver, folder)
        self._trial.folder = folder
        return self._trial


class AcceptanceItem(pytest.Item):
    """One criterion for one driver."""

    def __init__(self, *, trials: SharedTrial, criterion: "Criterion", is_advised: bool, **more: Any) -> None:
        super().__init__(**more)
        self._trials = trials
        self._criterion = criterion
        self._is_advised = is_advised

    def runtest(self) -> None:
        """Fail if the criterion is not held; skip what cannot be tried, and what is for a higher grade."""
        import tempfile
        from pathlib import Path

        from gateway.testing.acceptance import AcceptanceOutcome, judge
        from gateway.testing.stall_free_loop import run_stall_free

        with tempfile.TemporaryDirectory(prefix="borderpost-accept-") as folder:
            result = run_stall_free(judge(self._criterion, self._trials.trial(Path(folder))))
        says = f"{result.found}\n{result.remedy}".rstrip()
        if result.outcome is AcceptanceOutcome.NOT_TRIED:
            pytest.skip(says)
        if result.outcome is AcceptanceOutcome.NOT_HELD:
            if self._is_advised:
                pytest.skip(f"for a higher grade: {says}")
            pytest.fail(f"{self._criterion.text} {says}", pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return the place and the name of the test."""
        return self.nodeid, None, self.name
