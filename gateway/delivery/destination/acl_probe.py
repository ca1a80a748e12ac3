"""Whether a broker has an access list: it proves it by refusing what no list lets anybody say.

Who sent a command, only the access list can tell. In production, none is heard before that proof.
"""

from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.mqtt.reason_codes import NOT_AUTHORISED


class Guard:
    """Stands before the commands of one connection after the other."""

    def __init__(self, topic: str, problems: DestinationProblems, *, wanted: bool) -> None:
        self.topic = topic
        """What nobody may say."""
        self.opened = not wanted
        """Whether commands are let through."""
        self._wanted = wanted
        self._problems = problems

    def connected(self) -> bool:
        """There is a new connection; whether the broker is to be tried."""
        self.opened = not self._wanted
        return self._wanted

    def answered(self, reason: int) -> None:
        """The broker has answered to what nobody may say."""
        self.opened = reason == NOT_AUTHORISED
        self._problems.guarded(proved=self.opened)
