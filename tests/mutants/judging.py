"""Plugin of pytest for tests that judge mutants."""

import os
from pathlib import Path

import pytest
import structlog
from mutmut.state import state

from mutants.areas import FAILED, LEFT_OUT

_called: set[str] = set()


def pytest_configure() -> None:
    """Print plain tracebacks: the default ones take seconds each when a mutant raises in a loop."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> object | None:
    """Leave out fixtures that only cost time: those of a whole gateway take longer than most mutants."""
    if fixturedef.argname not in os.environ.get(LEFT_OUT, "").split():
        return None
    fixturedef.cached_result = (None, fixturedef.cache_key(request), None)
    return fixturedef


def pytest_collection_finish() -> None:
    """Keep the functions that were called while modules were imported.

    mutmut assigns them to the first test, and would try their mutants with that test alone.
    """
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        _called.update(state()._stats)
        state()._stats.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record tests that fail without a mutant; mutmut does not show them."""
    if report.failed and os.environ.get("MUTANT_UNDER_TEST") == "stats":
        with Path("..", FAILED).open("a") as file:
            file.write(f"{report.nodeid} fails without a mutant:\n{report.longreprtext}\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Assign these functions to all tests."""
    for function in _called:
        state().tests_by_mangled_function_name[function].update(item.nodeid for item in session.items)
    _called.clear()
