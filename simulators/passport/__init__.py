"""Passport readers on a serial line, one module per protocol."""

from simulators.passport.accessis import AccessIs
from simulators.passport.elyctis import Elyctis
from simulators.passport.reader import MrzReader
from simulators.passport.rte import Rte
from simulators.passport.text import LineEnd, Text

__all__ = ["AccessIs", "Elyctis", "LineEnd", "MrzReader", "Rte", "Text"]
