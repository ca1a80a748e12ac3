"""Attempts to open a device in virtual time: refused passwords, and causes that explain more."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from virtual_worker import ACCOUNT, run_worker

from drivers.driver import Driver, Family, Identity
from drivers.links.link import Action, Cause, CredentialsRefusedError, LinkError
from drivers.links.settings import Settings
from drivers.observation import Observation
from gateway.supervision.refused_attempts import RefusedAttempts
from gateway.worker.worker import REFUSED_WITHIN_S


def attempts_within(
    hours: float, attempt: Callable[[int], Any], restart_every_s: float = math.inf
) -> tuple[list[float], list[dict[str, Any]]]:
    """Run a worker for virtual hours; return the times of its attempts, in seconds, and its states.

    `attempt` is called with the number of each attempt, from 0: it raises, or returns the time of being open.
    With `restart_every_s` the worker is replaced again and again, and told what the one before had reported.
    """
    times: list[float] = []

    class Scripted(Driver[Settings]):
        family = Family.CAMERA
        settings_model = Settings
        observation_types = ()

        async def open(self) -> Identity:
            times.append(asyncio.get_running_loop().time())
            self.open_s = attempt(len(times) - 1)
            return Identity(model="camera")

        async def watch(self) -> AsyncIterator[Observation]:
            await asyncio.sleep(self.open_s)
            raise refusal()
            yield

    states = run_worker(Scripted, hours, restart_every_s).states
    return [at - times[0] for at in times], states


def refusal(retry_when: Any = None) -> LinkError:
    return CredentialsRefusedError(
        Cause.NO_PERMISSION, "It refuses these credentials.", Action.CONFIGURE, "Correct them.", retry_when
    )


def most_in_an_hour(times: list[float]) -> int:
    within_s = REFUSED_WITHIN_S - 0.001  # times are sums of ages
    return max(sum(0 <= other - at < within_s for other in times) for at in times)


def test_refused_password_is_tried_three_times_an_hour() -> None:
    def refuse(_number: int) -> None:
        raise refusal()

    times, states = attempts_within(3.5, refuse)
    assert most_in_an_hour(times) == 3
    assert len(times) > 9, "and again each hour"
    assert "three times an hour" in states[-1]["how"]


def test_device_that_restarts_again_and_again_counts_too() -> None:
    async def restarted() -> None:
        await asyncio.sleep(0.1)

    def refuse(_number: int) -> None:
        raise refusal(restarted)

    times, _ = attempts_within(2, refuse)
    assert most_in_an_hour(times) == 3


@pytest.mark.parametrize("restart_every_s", [30.0, 500.0, 2000.0])
def test_restarted_worker_counts_on(restart_every_s: float) -> None:
    def refuse(_number: int) -> None:
        raise refusal()

    times, states = attempts_within(2.5, refuse, restart_every_s)
    assert most_in_an_hour(times) == 3
    assert len(times) > 6, "and again each hour"
    assert all(state["cause"] is Cause.NO_PERMISSION for state in states)


def test_other_account_is_tried_at_once() -> None:
    async def kept() -> None:
        attempts = RefusedAttempts()
        attempts.keep("lane-1/camera", ACCOUNT, (3.0, 2.0, 1.0))
        same = attempts.ages_s("lane-1/camera", {**ACCOUNT, "exposure_ms": 5})
        assert [round(age_s) for age_s in same] == [3, 2, 1]
        for change in ({"password": "other"}, {"username": "admin"}, {"url": "http://192.0.2.9"}):
            assert attempts.ages_s("lane-1/camera", {**ACCOUNT, **change}) == ()
        assert attempts.ages_s("lane-2/camera", ACCOUNT) == ()

    asyncio.run(kept())


def test_refusals_after_opening_count_too() -> None:
    times, _ = attempts_within(2, lambda _: 5.0)
    assert most_in_an_hour(times) == 3


def test_password_that_works_again_is_not_held_back() -> None:
    times, _ = attempts_within(1, lambda _: 600.0)
    assert len(times) == 6


def test_other_failures_are_tried_as_before() -> None:
    def fail(_number: int) -> None:
        raise LinkError(Cause.NO_PERMISSION, "It may not be opened.", Action.CONFIGURE)

    times, _ = attempts_within(1, fail)
    assert len(times) > 100


def test_other_format_explains_later_silence() -> None:
    def fail(number: int) -> None:
        cause = Cause.WRONG_FORMAT if number == 3 else Cause.NO_RESPONSE
        raise LinkError(cause, "It fails.", Action.CONFIGURE)

    times, states = attempts_within(0.1, fail)
    assert len(times) > 10
    assert [state["cause"] for state in states] == [Cause.NO_RESPONSE, Cause.WRONG_FORMAT]
    assert states[-1]["state"] == "fault"
