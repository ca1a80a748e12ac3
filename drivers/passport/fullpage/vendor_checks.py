"""Conversion of a vendor's words to checks with one of five outcomes and, if one fits, a generic code.

Codes are light_property_feature after BSI TR-03135-1, section 5.5.1.2, which also lists them. An undocumented
word is `undetermined`: no document is cleared or accused by a guess.
"""

import re
from collections.abc import Iterable
from itertools import chain

from pydantic import Field

from drivers.links.settings import Settings
from drivers.observation import Check, CheckGroup, Outcome, Weight

_PAIRS = {
    "fi": "uv_lu", "fu": "uv_br", "is": "vi_ab vi_tr uv_lu ir_ab ir_tr ir_tl", "mr": "vi_ab uv_br ir_ab",
    "ph": "vi_ab vi_fr uv_br uv_fr ir_ab ir_fr ir_tr", "th": "vi_tr uv_lu ir_ab", "vz": "uv_br",
    "wm": "ir_ab", "id": "vi_ab vi_tr uv_lu ir_ab ir_tr",
}  # fmt: skip
GENERIC_CODES = frozenset(
    f"{light_property}_{feature}" for feature, pairs in _PAIRS.items() for light_property in pairs.split()
)
"""Codes that have a meaning in the guideline."""
B900_INK = "ir_ab_mr"
"""Ink of the zone: it absorbs infrared, and the background around it vanishes."""
UV_DULL_PAGE, UV_DULL_PHOTO, UV_DULL_MRZ = "uv_br_fu", "uv_br_ph", "uv_br_mr"
"""Dullness: security paper has no optical brightener, so under ultraviolet it stays dark."""

# A vendor's word goes into logs, so it must look like a word: no text that may be printed on a page.
_WORD = re.compile(r"[A-Za-z0-9_ .:/+-]{1,40}")
_REASONS = {
    Outcome.FAILED: "feature_failed",
    Outcome.UNDETERMINED: "not_decided",
    Outcome.NOT_SUPPORTED: "feature_absent",
    Outcome.ABORTED: "not_run",
}
# Precedence between two results for one check.
_RANK = (
    Outcome.FAILED,
    Outcome.ABORTED,
    Outcome.UNDETERMINED,
    Outcome.SUCCESSFUL,
    Outcome.NOT_SUPPORTED,
    Outcome.UNKNOWN,
)


class OutcomeWords(Settings):
    """Meaning of a vendor's words. Case, spaces and punctuation do not count. Others are `undetermined`."""

    successful: tuple[str, ...] = Field(
        default=(
            "ok",
            "pass",
            "passed",
            "good",
            "valid",
            "true",
            "success",
            "successful",
            "detected",
            "found",
            "dull",
        ),
        description="Words for a feature that passed.",
        examples=[["ok", "dull"]],
    )
    failed: tuple[str, ...] = Field(
        default=("nok", "not ok", "fail", "failed", "bad", "invalid", "false", "not detected", "not found",
                 "missing", "bright"),
        description="Words for a feature that did not pass.",
        examples=[["failed", "bright"]],
    )  # fmt: skip
    not_supported: tuple[str, ...] = Field(
        default=("not supported", "not applicable", "n/a", "none"),
        description="Words for a feature that such documents do not have.",
        examples=[["not applicable"]],
    )
    aborted: tuple[str, ...] = Field(
        default=("aborted", "cancelled", "canceled", "error", "timeout", "not available"),
        description="Words for a check that was not completed.",
        examples=[["timeout"]],
    )

    def outcome(self, word: object) -> Outcome:
        """Return the meaning of a word."""
        if not isinstance(word, str | int):
            return Outcome.UNDETERMINED
        plain = _plain(word)
        for outcome in (Outcome.SUCCESSFUL, Outcome.FAILED, Outcome.NOT_SUPPORTED, Outcome.ABORTED):
            if plain in {_plain(known) for known in getattr(self, outcome)}:
                return outcome
        return Outcome.UNDETERMINED


def optical_check_id(code: str) -> str:
    """Return the identifier of the check with a generic code."""
    return f"optical.{code}"


def optical_check(
    code: str,
    outcome: Outcome,
    *,
    vendor_code: object = None,
    reason: str | None = None,
    text: str | None = None,
) -> Check:
    """Build an optical check with its generic code, if the guideline has it."""
    reason = reason or _REASONS.get(outcome)
    return Check(
        id=optical_check_id(code),
        group=CheckGroup.OPTICAL,
        outcome=outcome,
        # A page without the feature has nothing to fail.
        weight=Weight.OPTIONAL if outcome is Outcome.NOT_SUPPORTED else Weight.MANDATORY,
        code=code if code in GENERIC_CODES else None,
        reason=reason,
        text=text,
        vendor_code=vendor_word(vendor_code),
    )


def check_from_word(code: str, word: object, words: OutcomeWords) -> Check:
    """Build the check of a vendor's word."""
    outcome = words.outcome(word)
    unknown = "vendor_word_unknown" if outcome is Outcome.UNDETERMINED else None
    return optical_check(code, outcome, vendor_code=word, reason=unknown)


def vendor_word(word: object) -> str | None:
    """Return a vendor's word if it may be logged, or None when it is no word."""
    if isinstance(word, bool):
        return str(word).lower()
    if isinstance(word, int | str) and _WORD.fullmatch(str(word)):
        return str(word)
    return None


def merge_checks(*groups: Iterable[Check]) -> tuple[Check, ...]:
    """Keep one check for each identifier: of several results, the most adverse one for the document."""
    worst: dict[str, Check] = {}
    for check in chain(*groups):
        known = worst.get(check.id)
        if known is None or _RANK.index(check.outcome) < _RANK.index(known.outcome):
            worst[check.id] = check
    return tuple(worst.values())


def _plain(word: object) -> str:
    return re.sub(r"[\W_]+", "", str(word)).casefold()
