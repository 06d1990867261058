"""Networks: catalogue, anatomy, weights, heads, freezing, and a network with all that belongs to it."""
