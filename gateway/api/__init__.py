"""Management API: models and operations for technicians. No I/O except in the client."""
