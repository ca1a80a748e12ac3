"""Probe that proves that a broker enforces an access control list.

Only an access control list ties a command to its sender. A broker has one if it refuses a topic that no list
allows. In production, commands are ignored before that proof.
"""

from gateway.delivery.mqtt.reason_codes import NOT_AUTHORISED
from gateway.delivery.stations.problems import StationProblems


class AclProbe:
    """Probe state of the present connection."""

    def __init__(self, topic: str, problems: StationProblems, *, required: bool) -> None:
        self.topic = topic
        """Topic that no access control list allows."""
        self.accepts_commands = not required
        """True: commands are accepted."""
        self._required = required
        self._problems = problems

    def on_connected(self) -> bool:
        """Reset for a new connection; return whether the probe must be sent."""
        self.accepts_commands = not self._required
        return self._required

    def on_answer(self, reason: int) -> None:
        """Evaluate the broker's answer to the probe."""
        self.accepts_commands = reason == NOT_AUTHORISED
        self._problems.acl_probed(enforced=self.accepts_commands)
