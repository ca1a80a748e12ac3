"""The errors of the simulators. Their messages say how a user can correct them."""


class SimulatorError(Exception):
    """A simulator cannot do the requested action; the message says which one and why."""
