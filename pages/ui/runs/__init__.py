"""Parts that show a run or a job: curves, controls, coach, queue, progress."""
