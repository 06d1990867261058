"""The training loop and its parts: batches, phases, validation, exact resume, several processes."""
