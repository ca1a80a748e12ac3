"""Tables of the quality scale in `drivers/README.md`."""

from collections.abc import Iterable, Iterator

from quality.scale import RULES, Assessment, Grade

BEGIN = "<!-- Made by `make quality` from here -->"
END = "<!-- to here -->"


def with_tables(page: str, assessments: Iterable[Assessment]) -> str:
    """Return the page with its tables brought up to date; raises ValueError without their place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables: {BEGIN} and {END}")
    return "\n".join((f"{before}{begin}", *rule_table(), "", *grade_table(assessments), f"{end}{after}"))


def rule_table() -> Iterator[str]:
    """Yield the rules of every grade."""
    yield "| grade | rule | met if |"
    yield "|---|---|---|"
    for rule in RULES:
        yield f"| {rule.grade} | {rule.name} | {rule.text} |"


def grade_table(assessments: Iterable[Assessment]) -> Iterator[str]:
    """Yield the grade of every driver, and the rules that it does not meet."""
    yield "| driver | grade | rules met | missing for the next grade | missing for higher ones |"
    yield "|---|---|---|---|---|"
    for one in assessments:
        met = sum(found.is_met for found in one.found.values())
        above = [grade for grade in Grade if one.next_grade is not None and grade.rank > one.next_grade.rank]
        next_missing = one.unmet(one.next_grade) if one.next_grade is not None else []
        later = [name for grade in above for name in one.unmet(grade)]
        yield (
            f"| `{one.source.name}` | {one.grade} | {met} of {len(RULES)} | {', '.join(next_missing)} "
            f"| {', '.join(later)} |"
        )
