"""Who may pass, told by a card: readers beside lanes and doors, and the outputs on them."""
