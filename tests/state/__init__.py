"""State that every released version wrote, and that this one must read."""
