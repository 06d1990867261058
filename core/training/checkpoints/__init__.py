"""A run's weights and training state on disk, to resume from and to look at later."""
