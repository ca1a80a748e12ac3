"""Invariants under random persons, faults, commands and kills, in random order.

Most steps are drawn by plain dice: Hypothesis takes as long to draw one as the barrier to take it, and moves
it less often. It looks for others besides, by the same rules.

`BORDERPOST_BARRIER_STEPS` says how many steps to take, 400 to 1,500 a second on one core, as busy as it is.
Unset they are 24,000, always the same, and 1,000 of Hypothesis: of the guards in `adversary.barrier.guards`,
those that these events find at all are found within 6,200. Set, they are new ones, and as many of Hypothesis.
"""

import contextlib
import itertools
import os
import random
from collections.abc import Iterable, Iterator

import pytest
from barrier_rules import KINDS, PAUSE_S, PHOTOCELL, AnyBarrier, Step
from hypothesis import HealthCheck, Phase, settings

from drivers.barrier.control.rate_limit import ActuationLimiter

ASKED = os.environ.get("BORDERPOST_BARRIER_STEPS")
STEPS = int(ASKED or 24_000)
OF_HYPOTHESIS = int(ASKED or 1_000)
A_LIFE = 50
"""Number of steps of one run."""
ALWAYS = ("time_passes", "somebody_asks_for_a_movement")
"""Events of every run."""
BLOCKS = 3
"""Number of tests that share the steps, for several processes."""
patient = pytest.mark.timeout(300 + STEPS // 20)


def drawn(dice: random.Random) -> Iterator[Step]:
    """Yield the events of one run, without end; not every run has every kind."""
    share = dice.uniform(0.1, 0.9)
    kinds = [kind for kind in KINDS if kind.name in ALWAYS or dice.random() < share]
    while True:
        yield dice.choice(kinds).drawn(dice)


def lived(
    photocell: str, pause_s: float | None, steps: Iterable[Step]
) -> tuple[list[Step], Exception | None]:
    """Execute the first `A_LIFE` possible steps, with a check after each; return them and the violation."""
    barrier, taken = AnyBarrier(), list[Step]()
    try:
        with contextlib.ExitStack() as end:
            end.callback(barrier.teardown)
            barrier.begin(photocell, pause_s)
            barrier.nothing_was_on_the_wire_that_must_not_be()
            for step in itertools.islice((one for one in steps if one.kind.possible(barrier)), A_LIFE):
                taken.append(step)
                step.happen(barrier)
                barrier.nothing_was_on_the_wire_that_must_not_be()
                barrier.what_is_said_is_what_was_told()
    except Exception as objection:
        return taken, objection
    return taken, None


def fewest(photocell: str, pause_s: float | None, steps: list[Step]) -> list[Step]:
    """Remove steps as long as the violation remains."""
    size = len(steps) // 2
    while size:
        for first in range(0, len(steps), size):
            taken, objection = lived(photocell, pause_s, steps[:first] + steps[first + size :])
            if objection:
                return fewest(photocell, pause_s, taken)
        size //= 2
    return steps


def walk(seeds: Iterable[int]) -> None:
    """Run each seed; fail with the shortest sequence found that ends in a violation."""
    for seed in seeds:
        dice = random.Random(seed)
        begins = dice.choice(PHOTOCELL), dice.choice(PAUSE_S)
        taken, objection = lived(*begins, drawn(dice))
        if objection is not None:
            story = fewest(*begins, taken)
            told = "".join(f"\n  {step}" for step in story)
            pytest.fail(f"seed {seed}: {lived(*begins, story)[1]!r}, after\n  begin{begins}{told}")


@patient
@pytest.mark.long(10)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_invariants_hold_in_random_events(block: int) -> None:
    first = random.SystemRandom().randrange(2**60) if ASKED else 0
    walk(range(first + block, first + -(-STEPS // A_LIFE), BLOCKS))


def test_violation_is_found_and_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActuationLimiter, "is_rate_exceeded", lambda *_: False)

    with pytest.raises(pytest.fail.Exception) as failed:
        walk(range(50))

    assert len(str(failed.value).splitlines()) < 12


TestAnyBarrier = patient(AnyBarrier.TestCase)
TestAnyBarrier.settings = settings(
    max_examples=max(1, OF_HYPOTHESIS // A_LIFE),
    stateful_step_count=A_LIFE,
    derandomize=ASKED is None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
