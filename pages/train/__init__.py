"""The page Train: set a training up, start it, follow it."""
