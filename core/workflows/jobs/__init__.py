"""Work in a process of its own that is not a training."""
