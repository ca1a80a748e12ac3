"""Records that prove themselves: signatures of events, the audit's chain, how long what is kept."""
