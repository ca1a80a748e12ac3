"""From a worker's hand to a broker's acknowledgement: nothing lost, nothing stale, nothing twice.

`Delivery` (delivery.py) is what the daemon holds. Behind it, in the order an event passes them:
`writer` (the loop's side of the one thread that owns the disk), `group_commit` (the thread's side), `ledger`
(epoch, stream, seq, id), `outbox` (the SQLite log), `vault` (what is on disk is sealed), `turns` (which flow
sends next), `destination` (the window, and what answers mean), `wire` (one MQTT 5 connection). The README of
the gateway has a map of all files.
"""
