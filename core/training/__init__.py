"""Training: recipes as data, the loop that carries them out, the reuse of frozen features."""
