"""How old a stored event is, across boots.

A deadline is a moment of the boot clock, which starts anew with every boot. At the first start after a boot
every row is brought to the new clock: by its age as the wall clock tells it, if the wall clock could be
trusted both then and now. Otherwise its age is unknown, and what that means depends on the class: a record
is sent anyway; a traveller's event is held back until the clock is synced, and its whole life from our start
on is the longest it is kept, because stale is worse than lost.
"""

import sqlite3

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment

_OF_TRAVELLERS = f"k >> 40 IN (SELECT number FROM stream WHERE class = '{DataClass.TRAVELLER}')"  # noqa: S608


def rebase_deadlines(connection: sqlite3.Connection, now: Moment) -> None:
    """Rewrite every deadline for the clock of this boot."""
    for table, known in (("event", "held = 0, "), ("parked", "")):
        connection.execute(f"UPDATE {table} SET deadline = ? + lifetime", (now.boot_ns,))  # noqa: S608
        if now.clock is ClockStatus.SYNCED:
            connection.execute(
                f"UPDATE {table} SET {known} deadline = ? + lifetime - max(0, ? - born) WHERE synced = 1",  # noqa: S608
                (now.boot_ns, now.unix_ns),
            )
    unknown = "" if now.clock is not ClockStatus.SYNCED else " AND synced = 0"
    connection.execute(f"UPDATE event SET held = 1 WHERE {_OF_TRAVELLERS}{unknown}")  # noqa: S608


def assign_ages(connection: sqlite3.Connection, now: Moment) -> int:
    """The clock is synced now: events whose own time could be trusted have an age again; returns how many."""
    return connection.execute(
        "UPDATE event SET held = 0, deadline = ? + lifetime - max(0, ? - born) WHERE held = 1 AND synced = 1",
        (now.boot_ns, now.unix_ns),
    ).rowcount


def count_held(connection: sqlite3.Connection) -> int:
    """How many events wait because their age is unknown."""
    (count,) = connection.execute(
        f"SELECT count(*) FROM event WHERE held = 1 AND {_OF_TRAVELLERS}"  # noqa: S608
    ).fetchone()
    return int(count)
