"""What codes are called on the pages, in English; the catalogues of `messages/` say it in other languages.

Every code that a state can carry has its words here, and a test holds that: whoever adds a cause, adds them.
"""

from drivers.driver import Condition, Family
from drivers.links.link import Action, Cause


def marked(text: str) -> str:
    """Mark a text as one that catalogues must have; says nothing else."""
    return text


LIGHTS = {
    Condition.ONLINE: "good",
    Condition.BUSY: "good",
    Condition.STARTING: "wait",
    Condition.DEGRADED: "warn",
    Condition.MAINTENANCE: "warn",
    Condition.PENDING: "warn",
}
"""The colour of a condition, as a class of the style sheet; whatever is not here is bad."""

CONDITIONS = {
    Condition.STARTING: marked("starting"),
    Condition.ONLINE: marked("online"),
    Condition.BUSY: marked("busy"),
    Condition.DEGRADED: marked("degraded"),
    Condition.OFFLINE: marked("offline"),
    Condition.NO_DEVICE: marked("no device"),
    Condition.FAULT: marked("fault"),
    Condition.MAINTENANCE: marked("maintenance"),
    Condition.PENDING: marked("waits to be accepted"),
    Condition.UNKNOWN: marked("unknown"),
}

CAUSES = {
    Cause.NO_DEVICE: marked("Nothing is plugged in there."),
    Cause.UNPLUGGED: marked("It was unplugged."),
    Cause.PORT_HELD: marked("Another program has its port."),
    Cause.NO_PERMISSION: marked("The gateway may not open it."),
    Cause.NO_ANSWER: marked("It is there but does not answer."),
    Cause.WRONG_DEVICE: marked("Another device than the configured one answers."),
    Cause.AMBIGUOUS: marked("The address fits more than one device."),
    Cause.LINK_FAILED: marked("Its cable or connection fails."),
    Cause.SIMULATED: marked("It is simulated, and this post takes only real devices."),
    Cause.DEVICE_FAULT: marked("It says that it is broken."),
    Cause.EMERGENCY: marked("An emergency is on, or nobody has acknowledged its end."),
    Cause.MAINTENANCE: marked("Somebody works on it."),
    Cause.SENSOR_DIRTY: marked("Its glass or sensor is dirty."),
    Cause.TAMPERED: marked("Somebody has opened it or torn it off."),
    Cause.INSECURE: marked("Its connection is not protected as it should be."),
    Cause.NOT_ACCEPTED: marked("Another device than before is there, and nobody has accepted it."),
    Cause.WRONG_FIRMWARE: marked("It runs another firmware than is expected."),
    Cause.CLOCK_WRONG: marked("Its clock is wrong."),
    Cause.CRASHED: marked("Its program has crashed."),
    Cause.SILENT: marked("Its program hung and was replaced."),
    Cause.DRIVER_ERROR: marked("Its driver met something unexpected."),
    Cause.UNKNOWN: marked("The cause is unknown."),
}

ACTIONS = {
    Action.NONE: marked("nothing to do"),
    Action.WAIT: marked("wait"),
    Action.REPLUG: marked("unplug it and plug it in again"),
    Action.CLEAN: marked("clean it"),
    Action.RESTART: marked("restart"),
    Action.CONFIGURE: marked("change the configuration"),
    Action.CALL: marked("call for help"),
    Action.REPLACE: marked("replace it"),
    Action.UNKNOWN: marked("call for help"),
}

FAMILIES = {
    Family.PASSPORT_READER: marked("passport reader"),
    Family.FINGERPRINT_SCANNER: marked("fingerprint scanner"),
    Family.CAMERA: marked("camera"),
    Family.BARRIER: marked("barrier"),
    Family.CARD_READER: marked("card reader"),
    Family.UNKNOWN: marked("unknown"),
}

OUTCOMES = {
    "successful": marked("passed"),
    "failed": marked("failed"),
    "undetermined": marked("undecided"),
    "not_supported": marked("not supported"),
    "aborted": marked("aborted"),
    "unknown": marked("unknown"),
}

LEVELS = {
    "internal": marked("Internal: link, identity and sensors; nobody at the counter notices"),
    "external": marked("External: it lights up, beeps or takes a picture"),
    "interactive": marked("Interactive: somebody presents a specimen, a finger or a card"),
    "unknown": marked("unknown"),
}

MACHINE_STATES = {
    "unknown": marked("unknown"),
    "closed": marked("closed"),
    "opening": marked("opening"),
    "open": marked("open"),
    "closing": marked("closing"),
    "stopped": marked("stopped"),
    "blocked": marked("blocked"),
    "emergency_open": marked("open for an emergency"),
    "fault": marked("fault"),
    "maintenance": marked("maintenance"),
}

STANDINGS = {1: marked("viewer"), 2: marked("technician"), 3: marked("supervisor")}

SEVERITIES = {
    "ok": marked("well"),
    "notice": marked("notice"),
    "warning": marked("warning"),
    "error": marked("error"),
}
SEVERITY_LIGHTS = {"ok": "good", "notice": "wait", "warning": "warn", "error": "bad"}

TRENDS = {
    "few": marked("too few values to say"),
    "steady": marked("steady"),
    "falling": marked("falling: the sensor is probably dirty"),
    "low": marked("below its minimum: the sensor is probably dirty"),
}
