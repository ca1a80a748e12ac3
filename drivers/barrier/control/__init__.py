"""Control of a barrier without I/O and without a clock: the state machine and its parts."""
