"""Judge of a barrier: the invariants of the protocol sheet, from bytes, truth and messages alone.

It imports nothing of the drivers and of the gateway: `test_judge_imports_no_driver`. Of 20, answers and
permits are judged; audit and authorisation are the daemon's. The rig steps the clock (23), which must change
nothing.
"""

from collections.abc import Sequence

from adversary.barrier.judge import (
    commands_rules,
    condition_rules,
    emergency_rules,
    master_rules,
    output_rules,
    people_rules,
    relay_rules,
    state_rules,
)
from adversary.barrier.judge.case import Case
from adversary.barrier.judge.records import LaneFacts, Record, Violation

RULES = (
    commands_rules, relay_rules, master_rules, people_rules, emergency_rules, state_rules, condition_rules,
    output_rules,
)  # fmt: skip


def judge(facts: LaneFacts, records: Sequence[Record]) -> list[Violation]:
    """Return all violations in the records of one lane, in order of time."""
    ordered = sorted(records, key=lambda record: record.at_s)
    case = Case(facts, ordered)
    for rules in RULES:
        rules.judge(case)
    return sorted(case.violations, key=lambda violation: violation.at_s)
