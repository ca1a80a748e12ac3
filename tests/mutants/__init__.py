"""Mutation testing of the modules where a mistake costs an event, a right or a finger."""
