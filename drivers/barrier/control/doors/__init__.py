"""One door: its position, movements, stops, openings, obstructions and passages. No I/O and no clock."""
