"""The model that every table of device settings is made of."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings of one device: a table of the configuration file, without `driver` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
