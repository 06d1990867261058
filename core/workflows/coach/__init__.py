"""What a run's curves and health say, and what to do about it."""
