"""What a fuzzer found worth keeping, once more through everything that takes bytes from outside."""

import warnings
from collections.abc import Iterator

import pytest
import structlog

from fuzz.target import families, held, targets_of


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What the gateway has to say of all this is nothing to look at, and costs more than to hear it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a post: Pillow warns of what it then reads all the same
        yield
    structlog.configure(**before)
    held.close()


ELSEWHERE = {"chips", "console", "files.configuration"}
"""What costs half a second and more to load, and has such tests beside it: mutations, a schema, mistakes."""


@pytest.mark.parametrize("family", sorted({*families()} - ELSEWHERE))
def test_nothing_ends_in_an_error_that_is_not_documented(family: str) -> None:
    for target in (one for one in targets_of(family) if one.name not in ELSEWHERE):
        for data in (*target.seeds, *target.corpus_inputs()):
            target.run(data)
