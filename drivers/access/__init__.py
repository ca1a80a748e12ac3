"""Card readers at lanes and doors, and their outputs."""
