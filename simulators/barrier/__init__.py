"""Barriers: relay and input boards on their buses, the machine, and a log of all events.

`mechanics` has the boom, its controller and the vehicles; `wiring` connects it to `boards`, which hosts reach
over a `bus`; tests judge by `wirelog`; `timeline` is real time, or time under a test's control.
"""
