"""HTTP services that misbehave on request, and how clients say who they are."""
