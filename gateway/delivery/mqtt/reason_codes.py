"""MQTT 5 reason codes that decide the fate of a message (section 2.4 of the specification)."""

NO_SUBSCRIBERS = 0x10
NOT_AUTHORISED = 0x87
TOO_LARGE = 0x95
POISON_CODES = frozenset({0x90, TOO_LARGE, 0x99})
"""Topic name invalid, packet too large, payload format invalid: the message will never be accepted."""
POISON_DISCONNECT_CODES = POISON_CODES | {0x81, 0x82}
"""Also malformed packet and protocol error: sent in a DISCONNECT that a message caused."""
UNSPECIFIED = 0x80
"""Also stored for an event on which a broker ends connections without a reason."""
