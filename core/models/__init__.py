"""Networks: the catalogue, their anatomy, heads, freezing, and the network as the other floors use it."""
