"""Which images are relatives of one another, how groups of them are dealt out, and a division as folders on disk."""
