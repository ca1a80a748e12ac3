"""The targets, one module per family."""
