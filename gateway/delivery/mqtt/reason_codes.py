"""The reason codes of MQTT 5 that decide what becomes of a message (section 2.4 of the specification)."""

NO_SUBSCRIBERS = 0x10
NOT_AUTHORISED = 0x87
TOO_LARGE = 0x95
POISON_CODES = frozenset({0x90, TOO_LARGE, 0x99})
"""Topic name invalid, packet too large, payload format invalid: this message will never be taken."""
POISON_DISCONNECT_CODES = POISON_CODES | {0x81, 0x82}
"""Malformed packet and protocol error besides: what a broker says as it hangs up because of a message."""
