"""Predictions over many images, the metrics that rate them, and transferability scores of frozen features."""
