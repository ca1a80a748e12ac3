"""Web pages of the console, their view models, and their live updates."""
