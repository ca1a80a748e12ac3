"""Passport readers and what they read: documents, machine readable zones, chips."""
