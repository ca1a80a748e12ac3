"""The targets, a module a family."""
