"""Mutation testing of the modules with the strictest promises."""
