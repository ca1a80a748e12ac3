"""The cast: invented travellers with names, and the truth about the document of each."""
