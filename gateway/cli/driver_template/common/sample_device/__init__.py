"""Driver, vocabulary and simulator of the Sample device for the border-post gateway."""
