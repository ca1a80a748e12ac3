"""Barriers: relay and input boards on their buses, the machine behind them, and a log of all that happens.

`mechanics` is the boom, its controller and who drives through; `wiring` joins it to `boards`, which are
spoken to over a `bus`; `wirelog` is what tests judge by; `timeline` is real time, or time driven by hand.
"""
