"""Judge of a barrier: the invariants of the protocol sheet, from bytes, truth and messages alone.

It imports nothing of the drivers and of the gateway: see `test_judge.py`. Not judged here: 20 (authorised
and attributable: the daemon's), 23 (clock steps: injected by the rig, which must change nothing), 30 (all
alarms kept: judged only as far as single alarms are required above).
"""

from collections.abc import Sequence

from adversary.barrier.judge import commands_rules, people_rules, relay_rules, state_rules
from adversary.barrier.judge.case import Case
from adversary.barrier.judge.records import LaneFacts, Record, Violation

RULES = (commands_rules, relay_rules, people_rules, state_rules)


def judge(facts: LaneFacts, records: Sequence[Record]) -> list[Violation]:
    """Return all violations in the records of one lane, in order of time."""
    ordered = sorted(records, key=lambda record: record.at_s)
    case = Case(facts, ordered)
    for rules in RULES:
        rules.judge(case)
    return sorted(case.violations, key=lambda violation: violation.at_s)
