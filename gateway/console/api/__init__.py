"""Management API over HTTP: devices, operations, diagnostics, audit, metrics."""
