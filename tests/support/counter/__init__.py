"""A counter page in Chromium, before a simulated post."""
