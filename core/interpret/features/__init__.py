"""Feature maps: what layers answer to one image or many, and figures about it."""
