"""Plugin of pytest for tests that judge mutants."""

import os
from pathlib import Path

import pytest
import structlog
from mutmut.state import state

from mutants.areas import FAILED, LEFT_OUT

_called: set[str] = set()


def pytest_configure() -> None:
    """Print tracebacks in the log plainly: a mutant that raises in a loop takes seconds for each else."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> object | None:
    """Leave out fixtures that only cost time: what a whole gateway needs takes longer than most mutants."""
    if fixturedef.argname not in os.environ.get(LEFT_OUT, "").split():
        return None
    fixturedef.cached_result = (None, fixturedef.cache_key(request), None)
    return fixturedef


def pytest_collection_finish() -> None:
    """Keep the functions that were called while modules were imported.

    mutmut ascribes them to the first test, and would try their mutants with that test alone.
    """
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        _called.update(state()._stats)
        state()._stats.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what fails without a mutant; mutmut does not show it."""
    if report.failed and os.environ.get("MUTANT_UNDER_TEST") == "stats":
        with Path("..", FAILED).open("a") as file:
            file.write(f"{report.nodeid} fails without a mutant:\n{report.longreprtext}\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ascribe these functions to all tests."""
    for function in _called:
        state().tests_by_mangled_function_name[function].update(item.nodeid for item in session.items)
    _called.clear()
