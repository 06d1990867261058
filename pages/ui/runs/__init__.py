"""Parts that show a run: curves, controls, coach, queue."""
