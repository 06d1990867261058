"""What lessons do with a person's own network and pictures."""
