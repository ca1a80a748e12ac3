"""The gateway compared with alternatives, measured side by side in one run: `make bench`.

A line goes into a pty, as a reader would send it, and comes out of Mosquitto at a subscriber. Between the two
is a candidate (`candidates`): our daemon in its own process, durable and encrypted; a hand-written durable
script; a bare one; on request Node-RED and ThingsBoard Gateway (`installs`). `measures` has the measurements,
`report` the budgets. The machine is shared, so ratios within one run count, and the result of several rounds
is their median with its range.
"""
