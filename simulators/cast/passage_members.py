"""Members of the cast about whom only the passage or the person tells, numbers 45 to 48."""

from simulators.cast import documents
from simulators.cast.member import Member

PASSAGES: tuple[Member, ...] = (
    Member(
        name="no-release",
        number=45,
        what="passport; the exit is not done",
        genuine=True,
        shows=("passage",),
        lesson="The entry counter has no release: do not begin, send back kindly.",
        make=documents.whole(),
    ),
    Member(
        name="stamp-only",
        number=46,
        what="passport with an exit stamp; the other state's link is down",
        genuine=True,
        shows=("hand",),
        lesson="The stamp is lawful: record that it was seen.",
        make=documents.whole(),
    ),
    Member(
        name="declined",
        number=47,
        what="passport of a bearer whom the entry declines",
        genuine=True,
        shows=("passage",),
        lesson="The state of exit must take the bearer back.",
        make=documents.whole(),
    ),
    Member(
        name="papers-held-by-another",
        number=48,
        what="passport that another person holds",
        genuine=True,
        shows=("person",),
        lesson="Hand on silently to the second line: there is no field for it.",
        make=documents.whole(),
    ),
)
