"""From a worker's hand to a broker's acknowledgement: nothing lost, nothing stale, nothing twice.

`Delivery` (delivery.py) is what the daemon holds. Behind it, in the order an event passes them:
`writer` (the one thread that owns the disk), `ledger` (epoch, stream, seq, id), `outbox` (the SQLite log),
`vault` (what is on disk is sealed), `destination` (who gets what next), `wire` (one MQTT 5 connection).
"""
