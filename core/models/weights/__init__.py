"""Pretrained weights: finding, downloading and safely reading them, copying what fits elsewhere."""
