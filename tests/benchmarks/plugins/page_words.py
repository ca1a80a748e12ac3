"""Vocabulary of the page reader."""

from typing import ClassVar

from pydantic import Field

from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary


class PageSeen(Observation):
    """A page was captured."""

    event_type: ClassVar[str] = "bench_page.seen"
    data_class: ClassVar[DataClass] = DataClass.TRAVELLER
    text: str = Field(description="Line that requested it.", examples=["page 1"])


VOCABULARY = Vocabulary("bench_page", 1, (PageSeen,))
