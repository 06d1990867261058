"""One look at every file of a set: what it shows in small, whether it can be read, and which pictures are alike."""
