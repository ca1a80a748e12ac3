"""The errors of the simulators: what a person can put right, said so that they can."""


class SimulatorError(Exception):
    """A simulator cannot do what it was asked to; the message says what and why."""
