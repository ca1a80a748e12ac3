"""Conversion of a vendor's words to one of five outcomes."""

import pytest

from drivers.observation import Check, Outcome, Weight
from drivers.passport.fullpage.vendor_checks import (
    GENERIC_CODES,
    OutcomeWords,
    check_from_word,
    merge_checks,
    optical_check,
    vendor_word,
)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("OK", Outcome.SUCCESSFUL),
        ("Dull", Outcome.SUCCESSFUL),
        ("BRIGHT", Outcome.FAILED),
        ("not detected", Outcome.FAILED),
        ("NOT_DETECTED", Outcome.FAILED),
        (True, Outcome.SUCCESSFUL),
        (False, Outcome.FAILED),
        ("NotSupported", Outcome.NOT_SUPPORTED),
        ("timeout", Outcome.ABORTED),
        ("psaSomethingElse", Outcome.UNDETERMINED),
        ("", Outcome.UNDETERMINED),
        (None, Outcome.UNDETERMINED),
        (17, Outcome.UNDETERMINED),
        ({"a": 1}, Outcome.UNDETERMINED),
    ],
)
def test_word_is_one_of_five_outcomes(word: object, outcome: Outcome) -> None:
    assert check_from_word("uv_br_fu", word, OutcomeWords()).outcome is outcome


def test_vendor_words_are_configurable() -> None:
    words = OutcomeWords(successful=("psaOk",), failed=("psaBright",))
    assert words.outcome("PSA_OK") is Outcome.SUCCESSFUL
    assert words.outcome("ok") is Outcome.UNDETERMINED


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("UV_DULL_PAPER_MRZ", "UV_DULL_PAPER_MRZ"),
        (50, "50"),
        (True, "true"),
        ("L898902C36UTO7408122F1204159<<<<<<<<<<<<<<<0", None),
        ("x" * 41, None),
        ("ERIKSSON\nANNA", None),
        (["OK"], None),
        (None, None),
    ],
)
def test_only_words_are_kept(word: object, kept: str | None) -> None:
    assert vendor_word(word) == kept


def test_generic_code_only_if_defined() -> None:
    assert optical_check("uv_br_ph", Outcome.SUCCESSFUL).code == "uv_br_ph"
    assert optical_check("uv_br_th", Outcome.SUCCESSFUL).code is None
    assert len(GENERIC_CODES) == 28


def test_absent_feature_does_not_count() -> None:
    assert optical_check("ir_ab_mr", Outcome.NOT_SUPPORTED).weight is Weight.OPTIONAL
    assert optical_check("ir_ab_mr", Outcome.FAILED).weight is Weight.MANDATORY


def test_worst_result_is_kept() -> None:
    def one(outcome: Outcome) -> Check:
        return optical_check("uv_lu_fi", outcome)

    order = [Outcome.FAILED, Outcome.ABORTED, Outcome.UNDETERMINED, Outcome.SUCCESSFUL, Outcome.NOT_SUPPORTED]
    for worse, outcome in enumerate(order):
        for better in order[worse:]:
            assert merge_checks([one(better)], [one(outcome)]) == (one(outcome),)
            assert merge_checks([one(outcome)], [one(better)]) == (one(outcome),)
