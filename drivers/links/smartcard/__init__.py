"""A smart card slot of a PC/SC service: presence of a card, and exchange of APDUs.

Source: PC/SC parts 3, 5 and 10, as implemented by pcsc-lite (pcsc-lite API, winscard.c). Needs the extra
`chip` (pyscard). All calls block, so they run in threads of the link; an abandoned card ends its session at
the next command.
"""

from drivers.links.smartcard.card import Card
from drivers.links.smartcard.errors import CardUnavailable, NotTransacted
from drivers.links.smartcard.link import SmartCardLink

__all__ = ["Card", "CardUnavailable", "NotTransacted", "SmartCardLink"]
