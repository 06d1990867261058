"""Health of a training, and the time that watching it may take."""
