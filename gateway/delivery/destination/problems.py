"""What people are told of one destination: sentences, and what to do."""

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.delivery.settings import DestinationSettings


class DestinationProblems:
    """Notes problems of one destination, and takes them back."""

    def __init__(self, problems: Problems, settings: DestinationSettings, tree: str) -> None:
        self._problems = problems
        self._name = settings.name
        self._broker = settings.broker
        self._tree = tree

    # The connection

    def connection_lost(self) -> None:
        """There was a connection, and it is gone."""
        self._problems.add(
            "broker_unreachable",
            f"The connection to {self._name} was lost; events wait in the outbox.",
            Action.WAIT,
            about=self._name,
        )

    def connect_failed(self, reason: str) -> None:
        """A connection could not be made."""
        broker = self._broker
        self._problems.add(
            "broker_unreachable",
            f"No connection to {self._name} ({broker.host}:{broker.port}): {reason}. Events wait on disk.",
            Action.CONFIGURE if "0x8" in reason or "certificate" in reason else Action.WAIT,
            f"Check that the broker runs and that [{self._name}] has its address and credentials.",
            about=self._name,
        )

    def connected(self) -> None:
        """There is a connection."""
        self._problems.clear("broker_unreachable", about=self._name)

    def subscription_result(self, refused: int | None) -> None:
        """What we asked to hear is granted, or refused with a reason code."""
        if refused is None:
            self._problems.clear("command_subscription_refused", about=self._name)
            return
        self._problems.add(
            "command_subscription_refused",
            f"{self._name} does not let this gateway hear commands (reason code 0x{refused:02x}).",
            Action.CONFIGURE,
            f"Allow it to read {self._tree}/+/+/cmd/+/+ at {self._name}.",
            about=self._name,
        )

    def acl_probed(self, *, enforced: bool) -> None:
        """The broker has an access list, or lets anybody say anything."""
        if enforced:
            self._problems.clear("broker_acl_missing", about=self._name)
            return
        self._problems.add(
            "broker_acl_missing",
            f"{self._name} lets anybody say anything, so nobody is obeyed: whose a command is, nobody knows.",
            Action.CONFIGURE,
            "Run Mosquitto with the access list that `borderpost trust` makes: config/mosquitto/README.md",
            about=self._name,
        )

    # Events that wait

    def no_subscriber(self) -> None:
        """The broker has nobody to give the events to."""
        self._problems.add(
            "no_subscriber",
            f"Nobody at {self._name} takes the events; they wait in the outbox.",
            Action.CALL_SUPPORT,
            f"Ask those who run {self._name} whether their receiver is subscribed.",
            about=self._name,
        )

    def event_refused(self, reason: int) -> None:
        """The broker refused an event for a reason that may pass."""
        self._problems.add(
            "event_refused",
            f"{self._name} does not take events at the moment (reason code 0x{reason:02x}); they wait.",
            Action.WAIT,
            about=self._name,
        )

    def event_refused_cleared(self) -> None:
        """No event is waiting for another attempt."""
        self._problems.clear("no_subscriber", about=self._name)
        self._problems.clear("event_refused", about=self._name)

    def publish_not_authorised(self) -> None:
        """The broker says that we may not write there."""
        self._problems.add(
            "publish_not_authorised",
            f"{self._name} refuses our events as not authorised; nothing is sent, nothing is discarded.",
            Action.CONFIGURE,
            f"Allow the gateway's user to write {self._tree}/# at {self._name}.",
            about=self._name,
        )

    def publish_authorised(self) -> None:
        """An event was taken again."""
        self._problems.clear("publish_not_authorised", about=self._name)

    # Messages that will never be taken

    def event_parked(self, count: int, stream: str, seq: int, reason: int) -> None:
        """An event was set aside, as `count` were since the start."""
        self._problems.add(
            "events_parked",
            f"{count} events cannot be taken by {self._name} and were set aside "
            f"(last: {stream} {seq}, reason code 0x{reason:02x}).",
            Action.CALL_SUPPORT,
            "borderpost outbox list --parked",
            about=self._name,
        )

    def image_refused(self, role: str) -> None:
        """An image is larger than the broker takes."""
        self._problems.add(
            "images_refused",
            f"An image ({role}) is too large for {self._name}; its event was sent without it.",
            Action.CONFIGURE,
            f"Raise max_packet_size of the broker of {self._name}.",
            about=self._name,
        )

    def state_refused(self, topic: str, reason: int) -> None:
        """A state cannot be published."""
        self._problems.add(
            "state_refused",
            f"{self._name} cannot take the state at {topic} (reason code 0x{reason:02x}).",
            Action.CALL_SUPPORT,
            about=self._name,
        )
