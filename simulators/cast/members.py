"""The members of the cast, by name.

The expectations follow BSI TR-03135-1 and Doc 9303. They hold for a reader with three lights and chips, whose
gateway has the certificates of the issuing state.
"""

from simulators.cast.forged_members import FORGED
from simulators.cast.genuine_members import GENUINE
from simulators.cast.member import Member
from simulators.cast.passage_members import PASSAGES
from simulators.errors import SimulatorError

CAST: dict[str, Member] = {one.name: one for one in (*GENUINE, *FORGED, *PASSAGES)}


def member_of(name: str) -> Member:
    """Return the member of that name; raise SimulatorError if there is none."""
    if name not in CAST:
        raise SimulatorError(f"member: {name!r} is not one of {', '.join(CAST)}")
    return CAST[name]
