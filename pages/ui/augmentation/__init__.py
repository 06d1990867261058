"""How training images are changed: presets, one card an operation, draws on a person's picture, warnings."""
