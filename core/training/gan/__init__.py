"""A generator against a discriminator: their losses, a pair in the plane, and a convolutional pair for pictures."""
