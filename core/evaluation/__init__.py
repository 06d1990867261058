"""Evaluation: predictions over many images, and figures about them."""
