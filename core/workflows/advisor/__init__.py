"""The advisor: which backbone and which recipe suit some images, measured before training."""
