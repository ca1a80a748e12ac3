"""The stored corpus, run through everything that takes bytes from outside."""

import warnings
from collections.abc import Iterator

import pytest
import structlog

from fuzz.target import families, held, targets_of


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Silence the gateway's log: it is not examined, and costs time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # as in a post: Pillow warns about files that it then reads nevertheless
        yield
    structlog.configure(**before)
    held.close()


ELSEWHERE = {"chips", "console", "files.configuration"}
"""Targets that take half a second and more to load, and have similar tests beside them."""


@pytest.mark.parametrize("family", sorted({*families()} - ELSEWHERE))
def test_no_undocumented_error(family: str) -> None:
    for target in (one for one in targets_of(family) if one.name not in ELSEWHERE):
        for data in (*target.seeds, *target.corpus_inputs()):
            target.run(data)
