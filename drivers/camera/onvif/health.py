"""What a camera tells of itself, and what a person should do about it.

Sources: the events of ONVIF's Imaging (too blurry, dark, bright, another scene), Media (signal loss) and
Device IO (digital inputs) Service Specifications; `RuleEngine/TamperDetector` is what several makers have
beside them.
"""

from collections.abc import Iterable

from drivers.camera.onvif.pull_points import Notification
from drivers.driver import StateCode, Status
from drivers.links.link import Action, Cause

DIGITAL_INPUT = "Device/Trigger/DigitalInput"
ON = frozenset({"true", "1", "active", "on"})
SIGNAL_LOST = Status(
    StateCode.FAULT,
    Cause.DEVICE_FAULT,
    "The camera says that it has no picture from its own sensor.",
    Action.RESTART,
    "Restart the camera; look at the cable of its sensor where that is apart; else replace it.",
)
TAMPERED = Status(
    StateCode.DEGRADED,
    Cause.TAMPERED,
    "The camera says that somebody has turned, covered or opened it.",
    Action.CALL_SUPPORT,
    "Go and look at it; compare what it sees with what it should see.",
)
IMAGE_DEGRADED = Status(
    StateCode.DEGRADED,
    Cause.SENSOR_DIRTY,
    "The camera says that its pictures are blurred, too dark or too bright.",
    Action.CLEAN,
    "Clean its window; see to the light and to its focus.",
)
STATUS_BY_TOPIC = {
    "VideoSource/SignalLoss": SIGNAL_LOST,
    "VideoSource/GlobalSceneChange": TAMPERED,
    "RuleEngine/TamperDetector": TAMPERED,
    "VideoSource/ImageTooBlurry": IMAGE_DEGRADED,
    "VideoSource/ImageTooDark": IMAGE_DEGRADED,
    "VideoSource/ImageTooBright": IMAGE_DEGRADED,
}
"""By the beginning of a topic; which of a camera's services has found out stands behind it."""


class CameraHealth:
    """What troubles a camera at the moment, as it tells."""

    def __init__(self, tamper_input: str | None = None, tamper_closed: bool = False) -> None:
        self._input = tamper_input
        self._closed = tamper_closed
        self._said: dict[object, Status] = {}

    def clear(self) -> None:
        """Begin anew: a camera tells a new subscriber first how everything is."""
        self._said.clear()

    def update(self, notices: Iterable[Notification]) -> None:
        """Take in what it told."""
        for notice in notices:
            status, is_so = self._meant(notice)
            if status is None:
                continue
            about = (notice.topic, frozenset(notice.source.items()))
            self._said.pop(about, None)
            if is_so and not notice.is_deleted:
                self._said[about] = status

    def is_active(self, status: Status) -> bool:
        """Whether this is so."""
        return status in self._said.values()

    def _meant(self, notice: Notification) -> tuple[Status | None, bool]:
        """What a notice is about, and whether that is so."""
        if notice.topic == DIGITAL_INPUT:
            if self._input is None or self._input not in notice.source.values():
                return None, False
            active = notice.data.get("LogicalState", "").lower() in ON
            return TAMPERED, active is not self._closed
        for topic, status in STATUS_BY_TOPIC.items():
            if notice.topic == topic or notice.topic.startswith(f"{topic}/"):
                return status, any(value.lower() in ON for value in notice.data.values())
        return None, False
