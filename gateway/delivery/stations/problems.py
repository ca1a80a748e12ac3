"""Problems of the connections that receive commands, with text and remedy."""

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.delivery.mqtt.inbound import BROKER_REMEDY, InboundRefusal, exceeded_limit


class StationProblems:
    """Adds and clears problems of receiving commands from one broker."""

    def __init__(self, problems: Problems, broker: str, tree: str) -> None:
        """`broker`: name of the destination; `tree`: root and site of its topics."""
        self._problems = problems
        self._broker = broker
        self._tree = tree

    def flood(self, station: str) -> None:
        """Report a station that sends more messages, or larger ones, than the gateway accepts."""
        self._problems.add(
            "station_flooding",
            f"Station {station} sends more or larger commands than the gateway accepts; most are dropped. "
            "Other stations are not affected.",
            Action.CALL_SUPPORT,
            f"Stop the program at {station}. If it is not yours: borderpost trust revoke {station}",
            about=station,
        )

    def flood_over(self, station: str) -> None:
        """Clear that problem."""
        self._problems.clear("station_flooding", about=station)

    def connect_failed(self, station: str, reason: str) -> None:
        """Report that commands of a station cannot be received for now."""
        self._problems.add(
            "commands_unreachable",
            f"No connection to {self._broker} for the commands of {station}: {reason}. "
            "The gateway receives none of them.",
            Action.CONFIGURE if "0x8" in reason or "certificate" in reason else Action.WAIT,
            f"Check that {self._broker} accepts one connection of the gateway for each station.",
            about=station,
        )

    def connected(self, station: str) -> None:
        """Clear that problem."""
        self._problems.clear("commands_unreachable", about=station)

    def subscription_result(self, refused: int | None) -> None:
        """Report that the subscription to commands was refused; None: that it was granted."""
        if refused is None:
            self._problems.clear("command_subscription_refused", about=self._broker)
            return
        self._problems.add(
            "command_subscription_refused",
            f"{self._broker} refused the subscription to commands (0x{refused:02x}); no command will arrive.",
            Action.CONFIGURE,
            f"Allow the gateway to read {self._tree}/+/+/cmd/+/+ at {self._broker}.",
            about=self._broker,
        )

    def acl_probed(self, *, enforced: bool) -> None:
        """Report whether the broker enforces an access control list."""
        if enforced:
            self._problems.clear("broker_acl_missing", about=self._broker)
            return
        self._problems.add(
            "broker_acl_missing",
            f"{self._broker} has no access control list, so commands are ignored: "
            "their sender cannot be verified.",
            Action.CONFIGURE,
            "Run Mosquitto with the access list that `borderpost trust` makes: config/mosquitto/README.md",
            about=self._broker,
        )

    def broker_exceeds(self, refused: InboundRefusal) -> None:
        """Report that the broker sent what it must not."""
        self._problems.add(
            "broker_exceeds_limits",
            exceeded_limit(self._broker, refused),
            Action.CALL_SUPPORT,
            BROKER_REMEDY,
            about=self._broker,
        )
