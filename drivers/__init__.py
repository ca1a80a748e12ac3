"""A library of border-post devices: what they are, what they can say, how they are spoken to."""
