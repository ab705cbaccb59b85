"""Finding people, and their poses."""
