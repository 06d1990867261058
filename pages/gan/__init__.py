"""GAN: a generator that learns to make small pictures against a discriminator."""
