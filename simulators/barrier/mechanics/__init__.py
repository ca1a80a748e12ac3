"""The machine: what moves, what it is told, who drives through, what can be sensed of it."""
