"""The catalogue of backbones and where each comes from."""
