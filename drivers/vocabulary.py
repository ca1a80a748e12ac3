"""Vocabulary of a package: the observations and commands that it adds to the contract.

Workstations, the contract, the console and the export of a breach import it. So it imports no device library:
its module has models only.
"""

from dataclasses import dataclass

from drivers.command import CommandType
from drivers.observation import Observation


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Event types and commands of one package, under a namespace of its own.

    An entry point of the group `borderpost.vocabularies` names it: `acme = "acme_words:VOCABULARY"`.
    """

    namespace: str
    """First part of its event types (`acme.scale.weighed`) and of its commands (`acme.tare`)."""
    version: int
    """Version of all its schemas; it grows when a field is removed, renamed or changes its meaning."""
    observations: tuple[type[Observation], ...] = ()
    commands: tuple[CommandType, ...] = ()

    def owns(self, name: str) -> bool:
        """Return True if an event type or a command is in its namespace."""
        return name.startswith(f"{self.namespace}.")
