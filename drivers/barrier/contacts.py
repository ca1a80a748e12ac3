"""Contacts at inputs, and the one contact that is safe for each signal.

Rule: a cut wire reads as the dangerous condition, for every input that prevents a movement or an alarm.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

Contact = Literal["no", "nc"]


class InputContact(BaseModel):
    """An input and its contact."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input: int = Field(ge=0, description="Number of the input at the board, counted from 0.", examples=[4])
    contact: Contact = Field(
        description="no (normally open): closes when active; nc (normally closed): opens when active, as "
        "does a cut wire.",
        examples=["nc"],
    )

    def is_active(self, circuits: Sequence[bool]) -> bool:
        """Return True if the contact is active. `circuits`: True where current flows, by input."""
        return circuits[self.input] == (self.contact == "no")


def _number_for(contact: Contact) -> BeforeValidator:
    """Complete a bare number with its contact; in a post's file, which has a context, require the contact."""

    def complete(given: object, info: ValidationInfo) -> object:
        if type(given) is not int:
            return given
        if info.context is not None:
            raise ValueError(
                "is an input without its contact; compare it with the wiring, then write "
                f'{{ input = {given}, contact = "{contact}" }}'
            )
        return {"input": given, "contact": contact}

    return BeforeValidator(complete)


def _only(contact: Contact, consequence: str) -> AfterValidator:
    """Refuse the other contact, with which a cut wire would read as the harmless condition."""

    def check(wired: InputContact) -> InputContact:
        if wired.contact != contact:
            rest = "open at rest" if contact == "no" else "closed at rest"
            raise ValueError(
                f'contact "{wired.contact}" is not safe: with a cut wire, {consequence}; wire a contact that '
                f'is {rest}, and write contact = "{contact}"'
            )
        return wired

    return AfterValidator(check)


AnyContact = Annotated[InputContact, _number_for("no")]
OpenLimit = Annotated[
    InputContact,
    _number_for("no"),
    _only("no", "the barrier would read as open, and would not be reversed while it closes by itself"),
]
ClosedLimit = Annotated[
    InputContact,
    _number_for("no"),
    _only("no", "the barrier would read as closed while it is open, and the other door of a gate could open"),
]
Presence = Annotated[
    InputContact,
    _number_for("nc"),
    _only("nc", "the way would read as clear, and the barrier would close on a person"),
]
Emergency = Annotated[
    InputContact,
    _number_for("nc"),
    _only("nc", "an emergency would not be detected, and the barrier would close"),
]
KeySwitch = Annotated[
    InputContact,
    _number_for("nc"),
    _only("nc", "the barrier would move while a person works on it with the key switch turned"),
]
ControllerReady = Annotated[
    InputContact,
    _number_for("no"),
    _only("no", "a controller in fault or without power would read as ready"),
]
LocalButton = Annotated[
    InputContact,
    _number_for("no"),
    _only("no", "the button would read as pressed, and a forced opening would raise no alarm"),
]
