"""Delivery of events: stored in an outbox on disk, then published to one or two MQTT brokers.

An event passes, in this order: `Delivery` (delivery.py); `writer/writer.py` (event loop side of the thread
that owns the disk) and `writer/thread.py` (thread side: group commit); `outbox/sequence.py` (epoch, stream,
seq, id); `outbox/outbox.py` and `outbox/rows.py` (SQLite log of encrypted events); `destination/scheduler.py`
(which stream sends next); `destination/destination.py` (in-flight window, acknowledgements);
`mqtt/connection.py` (one MQTT 5 connection).
"""
