"""Short programs on ``core``: ``python -m examples.train``, from the project's folder."""
