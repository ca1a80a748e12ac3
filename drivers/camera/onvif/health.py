"""Health of a camera, from its own events, and the actions that restore it.

Sources: the events of ONVIF's Imaging (too blurry, dark, bright, another scene), Media (signal loss) and
Device IO (digital inputs) Service Specifications; several manufacturers have `RuleEngine/TamperDetector`
besides.
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
    "The camera reports that its sensor provides no picture.",
    Action.RESTART,
    "Restart the camera; check the cable of its sensor where that is separate; else replace it.",
)
TAMPERED = Status(
    StateCode.DEGRADED,
    Cause.TAMPERED,
    "The camera reports that it was turned, covered or opened.",
    Action.CALL_SUPPORT,
    "Inspect the camera, and compare its view with the intended one.",
)
IMAGE_DEGRADED = Status(
    StateCode.DEGRADED,
    Cause.SENSOR_DIRTY,
    "The camera reports that its pictures are blurred, too dark or too bright.",
    Action.CLEAN,
    "Clean its window; check the light and its focus.",
)
STATUS_BY_TOPIC = {
    "VideoSource/SignalLoss": SIGNAL_LOST,
    "VideoSource/GlobalSceneChange": TAMPERED,
    "RuleEngine/TamperDetector": TAMPERED,
    "VideoSource/ImageTooBlurry": IMAGE_DEGRADED,
    "VideoSource/ImageTooDark": IMAGE_DEGRADED,
    "VideoSource/ImageTooBright": IMAGE_DEGRADED,
}
"""Status by the beginning of a topic; the rest of a topic names the service of the camera."""


class CameraHealth:
    """Present problems of a camera, as reported by it."""

    def __init__(self, tamper_input: str | None = None, tamper_closed: bool = False) -> None:
        self._input = tamper_input
        self._closed = tamper_closed
        self._active: dict[object, Status] = {}

    def clear(self) -> None:
        """Forget all: a camera sends a new subscriber its complete state first."""
        self._active.clear()

    def update(self, notices: Iterable[Notification]) -> None:
        """Apply events."""
        for notice in notices:
            status, is_so = self._parse_event(notice)
            if status is None:
                continue
            about = (notice.topic, frozenset(notice.source.items()))
            self._active.pop(about, None)
            if is_so and not notice.is_deleted:
                self._active[about] = status

    def is_active(self, status: Status) -> bool:
        """Return True if this problem is present."""
        return status in self._active.values()

    def _parse_event(self, notice: Notification) -> tuple[Status | None, bool]:
        """Return the problem of an event, and its presence."""
        if notice.topic == DIGITAL_INPUT:
            if self._input is None or self._input not in notice.source.values():
                return None, False
            active = notice.data.get("LogicalState", "").lower() in ON
            return TAMPERED, active is not self._closed
        for topic, status in STATUS_BY_TOPIC.items():
            if notice.topic == topic or notice.topic.startswith(f"{topic}/"):
                return status, any(value.lower() in ON for value in notice.data.values())
        return None, False
