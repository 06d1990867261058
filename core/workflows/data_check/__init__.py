"""What is wrong with images: copies, leaks, labels and pictures that do not belong; and divisions that heed it."""
