"""Images: sources, splits, health checks, decoding, augmentation, and the store that batches come from."""
