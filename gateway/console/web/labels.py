"""Texts for codes on the pages, in English; the catalogues in `messages/` translate them.

Every code that a state can carry has a text here, which a test verifies.
"""

from drivers.driver import Family, StateCode
from drivers.links.link import Action, Cause


def mark_for_translation(text: str) -> str:
    """Mark a text for translation; returns it unchanged."""
    return text


STATE_LIGHTS = {
    StateCode.ONLINE: "good",
    StateCode.BUSY: "good",
    StateCode.STARTING: "wait",
    StateCode.DEGRADED: "warn",
    StateCode.MAINTENANCE: "warn",
    StateCode.AWAITING_ACCEPTANCE: "warn",
}
"""Colour of a state, as a class of the style sheet; all others are `bad`."""

CONDITIONS = {
    StateCode.STARTING: mark_for_translation("starting"),
    StateCode.ONLINE: mark_for_translation("online"),
    StateCode.BUSY: mark_for_translation("busy"),
    StateCode.DEGRADED: mark_for_translation("degraded"),
    StateCode.OFFLINE: mark_for_translation("offline"),
    StateCode.NO_DEVICE: mark_for_translation("no device"),
    StateCode.FAULT: mark_for_translation("fault"),
    StateCode.MAINTENANCE: mark_for_translation("maintenance"),
    StateCode.AWAITING_ACCEPTANCE: mark_for_translation("awaiting acceptance"),
    StateCode.UNKNOWN: mark_for_translation("unknown"),
}

CAUSES = {
    Cause.NO_DEVICE: mark_for_translation("No device is plugged in."),
    Cause.UNPLUGGED: mark_for_translation("It was unplugged."),
    Cause.PORT_HELD: mark_for_translation("Another program has opened its port."),
    Cause.NO_PERMISSION: mark_for_translation("The gateway has no permission to open it."),
    Cause.NO_RESPONSE: mark_for_translation("The device is present but does not respond."),
    Cause.WRONG_DEVICE: mark_for_translation("A device other than the configured one responds."),
    Cause.WRONG_FORMAT: mark_for_translation("It sends in a format other than the configured one."),
    Cause.ADDRESS_AMBIGUOUS: mark_for_translation("The address matches more than one device."),
    Cause.LINK_FAILED: mark_for_translation("Its cable or connection is failing."),
    Cause.SIMULATED: mark_for_translation("It is simulated, and this post accepts only real devices."),
    Cause.DEVICE_FAULT: mark_for_translation("It reports a fault."),
    Cause.EMERGENCY: mark_for_translation("An emergency is active, or its end has not been acknowledged."),
    Cause.MAINTENANCE: mark_for_translation("It is in maintenance."),
    Cause.SENSOR_DIRTY: mark_for_translation("Its glass or sensor is dirty."),
    Cause.TAMPERED: mark_for_translation("It was opened or removed."),
    Cause.CHANNEL_INSECURE: mark_for_translation("Its connection is not secured as configured."),
    Cause.REPLACEMENT_NOT_ACCEPTED: mark_for_translation("A replacement device awaits acceptance."),
    Cause.WRONG_FIRMWARE: mark_for_translation("Its firmware is not the expected version."),
    Cause.CLOCK_WRONG: mark_for_translation("Its clock is wrong."),
    Cause.WORKER_CRASHED: mark_for_translation("Its worker has crashed."),
    Cause.WORKER_VIOLATION: mark_for_translation("Its worker sent forbidden data and was ended."),
    Cause.FORBIDDEN_CALL: mark_for_translation("Its worker tried a forbidden operation and was ended."),
    Cause.BABBLING: mark_for_translation("It sends too much; the excess is dropped."),
    Cause.CPU_EXCEEDED: mark_for_translation("Its worker uses a whole processor."),
    Cause.CONNECTIONS_HELD: mark_for_translation("Idle connections to it are being closed."),
    Cause.DRIVER_UNUSABLE: mark_for_translation("Its driver cannot be used."),
    Cause.HEARTBEAT_LOST: mark_for_translation("Its worker stopped responding and was restarted."),
    Cause.DRIVER_ERROR: mark_for_translation("Its driver met an unexpected error."),
    Cause.UNKNOWN: mark_for_translation("The cause is unknown."),
}

ACTIONS = {
    Action.NONE: mark_for_translation("no action"),
    Action.WAIT: mark_for_translation("wait"),
    Action.REPLUG: mark_for_translation("unplug it and plug it in again"),
    Action.CLEAN: mark_for_translation("clean it"),
    Action.RESTART: mark_for_translation("restart"),
    Action.CONFIGURE: mark_for_translation("change the configuration"),
    Action.CALL_SUPPORT: mark_for_translation("call support"),
    Action.REPLACE: mark_for_translation("replace it"),
    Action.UNKNOWN: mark_for_translation("call support"),
}

FAMILIES = {
    Family.PASSPORT_READER: mark_for_translation("passport reader"),
    Family.FINGERPRINT_SCANNER: mark_for_translation("fingerprint scanner"),
    Family.CAMERA: mark_for_translation("camera"),
    Family.BARRIER: mark_for_translation("barrier"),
    Family.CARD_READER: mark_for_translation("card reader"),
    Family.UNKNOWN: mark_for_translation("unknown"),
}

OUTCOMES = {
    "successful": mark_for_translation("passed"),
    "failed": mark_for_translation("failed"),
    "undetermined": mark_for_translation("undetermined"),
    "not_supported": mark_for_translation("not supported"),
    "aborted": mark_for_translation("aborted"),
    "unknown": mark_for_translation("unknown"),
}

LEVELS = {
    "internal": mark_for_translation("Internal: link, identity and sensors, without a visible effect"),
    "external": mark_for_translation("External: lamp, beep or picture"),
    "interactive": mark_for_translation("Interactive: needs a specimen, a finger or a card"),
    "unknown": mark_for_translation("unknown"),
}

MACHINE_STATES = {
    "unknown": mark_for_translation("unknown"),
    "closed": mark_for_translation("closed"),
    "opening": mark_for_translation("opening"),
    "open": mark_for_translation("open"),
    "closing": mark_for_translation("closing"),
    "stopped": mark_for_translation("stopped"),
    "blocked": mark_for_translation("blocked"),
    "emergency_open": mark_for_translation("open (emergency)"),
    "fault": mark_for_translation("fault"),
    "maintenance": mark_for_translation("maintenance"),
}

FOUND_KINDS = {
    "serial": mark_for_translation("serial port"),
    "keyboard": mark_for_translation("keyboard"),
    "hid": mark_for_translation("HID device"),
    "camera": mark_for_translation("camera"),
    "usb": mark_for_translation("USB device"),
    "smartcard": mark_for_translation("slot for chips"),
    "network_camera": mark_for_translation("camera in the network"),
    "modbus": mark_for_translation("Modbus board"),
    "configured": mark_for_translation("address of the file"),
}
"""Kinds of devices that a search finds."""

ROLES = {
    1: mark_for_translation("viewer"),
    2: mark_for_translation("technician"),
    3: mark_for_translation("supervisor"),
}

SEVERITIES = {
    "ok": mark_for_translation("ok"),
    "notice": mark_for_translation("notice"),
    "warning": mark_for_translation("warning"),
    "error": mark_for_translation("error"),
}
SEVERITY_LIGHTS = {"ok": "good", "notice": "wait", "warning": "warn", "error": "bad"}

TRENDS = {
    "few": mark_for_translation("too few values for a trend"),
    "steady": mark_for_translation("steady"),
    "falling": mark_for_translation("falling: the sensor is probably dirty"),
    "low": mark_for_translation("below its minimum: the sensor is probably dirty"),
}
