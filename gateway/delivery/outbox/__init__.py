"""The outbox on disk: an encrypted log of events in SQLite, its bounds, recovery and inspection."""
