"""Whether a broker has an access list: it proves it by refusing what no list lets anybody say.

Who sent a command, only the access list can tell. In production, none is heard before that proof.
"""

from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.mqtt.reason_codes import NOT_AUTHORISED


class AclProbe:
    """Stands before the commands of one connection after the other."""

    def __init__(self, topic: str, problems: DestinationProblems, *, required: bool) -> None:
        self.topic = topic
        """What nobody may say."""
        self.accepts_commands = not required
        """Whether commands are let through."""
        self._required = required
        self._problems = problems

    def on_connected(self) -> bool:
        """There is a new connection; whether the broker is to be tried."""
        self.accepts_commands = not self._required
        return self._required

    def on_answer(self, reason: int) -> None:
        """The broker has answered to what nobody may say."""
        self.accepts_commands = reason == NOT_AUTHORISED
        self._problems.acl_probed(enforced=self.accepts_commands)
