"""Age of stored events across boots.

A deadline is a time of the boot clock, which starts anew with every boot. At the first start after a boot
every deadline is converted to the new clock, with the age by the wall clock if that was synced both then and
now. Otherwise the age is unknown. A record is then sent anyway. A traveller's event is held back until the
clock is synced, and for at most its lifetime from our start on, because an outdated event is worse than a
lost one.
"""

import sqlite3

from drivers.observation import DataClass
from gateway.contract.envelope import ClockStatus, Moment

_OF_TRAVELLERS = f"k >> 40 IN (SELECT number FROM stream WHERE class = '{DataClass.TRAVELLER}')"  # noqa: S608


def rebase_deadlines(connection: sqlite3.Connection, now: Moment) -> None:
    """Convert every deadline to the clock of this boot."""
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
    """Give held events with a trusted time their age, once the clock is synced; return their number."""
    return connection.execute(
        "UPDATE event SET held = 0, deadline = ? + lifetime - max(0, ? - born) WHERE held = 1 AND synced = 1",
        (now.boot_ns, now.unix_ns),
    ).rowcount


def count_held(connection: sqlite3.Connection) -> int:
    """Count events that are held because their age is unknown."""
    (count,) = connection.execute(
        f"SELECT count(*) FROM event WHERE held = 1 AND {_OF_TRAVELLERS}"  # noqa: S608
    ).fetchone()
    return int(count)
