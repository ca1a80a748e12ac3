"""The model that every table of a post's files is made of."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)
