"""Which backbone and recipe suit these images, and why."""
