"""Style transfer: one picture's content in another's style, as it grows."""
