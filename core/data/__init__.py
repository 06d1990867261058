"""Images: where they come from, how they are divided and checked, and how they reach the network."""
