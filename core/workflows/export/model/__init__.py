"""A trained network as a file that leaves the lab, handed out only where it answers as the checkpoint does."""
