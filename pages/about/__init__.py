"""Notes and terms: what the lab grew out of, and what its words mean."""
