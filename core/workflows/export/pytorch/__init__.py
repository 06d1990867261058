"""A run as a stand-alone program of plain PyTorch, made from templates."""
