"""Problems of one destination, with text and remedy."""

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.delivery.mqtt.inbound import BROKER_REMEDY, InboundRefusal, exceeded_limit
from gateway.delivery.settings import DestinationSettings


class DestinationProblems:
    """Adds and clears problems of one destination."""

    def __init__(self, problems: Problems, settings: DestinationSettings, tree: str) -> None:
        self._problems = problems
        self._name = settings.name
        self._broker = settings.broker
        self._tree = tree

    # The connection

    def connection_lost(self) -> None:
        """Report that a connection ended."""
        self._problems.add(
            "broker_unreachable",
            f"The connection to {self._name} is lost; events wait in the outbox.",
            Action.WAIT,
            about=self._name,
        )

    def connect_failed(self, reason: str) -> None:
        """Report that a connection attempt failed."""
        broker = self._broker
        self._problems.add(
            "broker_unreachable",
            f"No connection to {self._name} ({broker.host}:{broker.port}): {reason}. Events wait on disk.",
            Action.CONFIGURE if "0x8" in reason or "certificate" in reason else Action.WAIT,
            f"Check that the broker runs, and the address and credentials in [{self._name}].",
            about=self._name,
        )

    def connected(self) -> None:
        """Clear the problem of the connection."""
        self._problems.clear("broker_unreachable", about=self._name)

    def broker_exceeds_limits(self, refused: InboundRefusal) -> None:
        """Report that the broker sent what it must not; None of it was read."""
        self._problems.add(
            "broker_exceeds_limits",
            exceeded_limit(self._name, refused),
            Action.CALL_SUPPORT,
            BROKER_REMEDY,
            about=self._name,
        )

    def broker_within_limits(self) -> None:
        """Clear that problem: a connection has lasted."""
        self._problems.clear("broker_exceeds_limits", about=self._name)

    # Events that wait

    def no_subscriber(self) -> None:
        """Report that an event reached no subscriber."""
        self._problems.add(
            "no_subscriber",
            f"No receiver is subscribed at {self._name}; events wait in the outbox.",
            Action.CALL_SUPPORT,
            f"Ask the operators of {self._name} to check that their receiver is subscribed.",
            about=self._name,
        )

    def event_refused(self, reason: int) -> None:
        """Report that the broker refused an event for a reason that may be temporary."""
        self._problems.add(
            "event_refused",
            f"{self._name} refuses events at the moment (reason code 0x{reason:02x}); they wait.",
            Action.WAIT,
            about=self._name,
        )

    def event_refused_cleared(self) -> None:
        """Report that no refused event waits for another attempt."""
        self._problems.clear("no_subscriber", about=self._name)
        self._problems.clear("event_refused", about=self._name)

    def publish_not_authorised(self) -> None:
        """Report that the broker does not authorise the gateway to publish."""
        self._problems.add(
            "publish_not_authorised",
            f"{self._name} refuses events as not authorised; all events wait in the outbox.",
            Action.CONFIGURE,
            f"Allow the gateway's user to write {self._tree}/# at {self._name}.",
            about=self._name,
        )

    def position_not_authorised(self, position: str) -> None:
        """Report that the broker does not authorise the gateway to publish at one position."""
        self._problems.add(
            "publish_not_authorised",
            f"{self._name} refuses events of {position} as not authorised; they wait in the outbox.",
            Action.CONFIGURE,
            f"Its access list lacks {position}: run `borderpost trust renew`, then reload the broker.",
            about=self._name,
        )

    def publish_authorised(self) -> None:
        """Clear that problem: an event was accepted again."""
        self._problems.clear("publish_not_authorised", about=self._name)

    def events_held(self, position: str) -> None:
        """Report a broker that ends the connection on events of one position, without a reason."""
        self._problems.add(
            "events_held",
            f"{self._name} ends the connection on events of {position} without a reason; they wait in the "
            "outbox and are tried again. Other positions are delivered.",
            Action.CONFIGURE,
            f"Allow the gateway's user to write {self._tree}/{position}/#; see the log of {self._name}.",
            about=self._name,
        )

    def no_events_held(self) -> None:
        """Clear that problem: the events were accepted."""
        self._problems.clear("events_held", about=self._name)

    # Messages that are given up

    def event_parked(self, count: int, stream: str, seq: int, reason: int) -> None:
        """Report a parked event, and the number of them since the start."""
        self._problems.add(
            "events_parked",
            f"{count} events cannot be delivered to {self._name} and are parked "
            f"(last: {stream} {seq}, reason code 0x{reason:02x}).",
            Action.CALL_SUPPORT,
            "borderpost outbox parked gives the reasons; borderpost outbox retry sends them again.",
            about=self._name,
        )

    def image_refused(self, role: str) -> None:
        """Report an image that is larger than the broker accepts."""
        self._problems.add(
            "images_refused",
            f"An image ({role}) is too large for {self._name}; its event is sent without it.",
            Action.CONFIGURE,
            f"Raise max_packet_size of the broker {self._name}.",
            about=self._name,
        )

    def state_refused(self, topic: str, reason: int) -> None:
        """Report a state that cannot be published."""
        self._problems.add(
            "state_refused",
            f"{self._name} refuses the state of {topic} (reason code 0x{reason:02x}); it is not shown there.",
            Action.CALL_SUPPORT,
            about=self._name,
        )

    def states_accepted(self) -> None:
        """Clear that problem: states that were refused are accepted."""
        self._problems.clear("state_refused", about=self._name)
