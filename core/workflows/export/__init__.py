"""A run as something other programs read: TensorBoard event files, a program of plain PyTorch."""
