"""The gateway beside what a user could pick instead, measured side by side in one run: `make bench`.

A line goes into a pty, as a reader would send it, and comes out of Mosquitto at a subscriber. Between the two
stands a candidate (`candidates`): our daemon in its own process, durable and sealed; a hand-written durable
script; a bare one; on request Node-RED and ThingsBoard Gateway (`installs`). What is measured is in
`measures`, what it must be in `report`. The machine is shared, so ratios within one run count, and of several
rounds the median with its range is told.
"""
