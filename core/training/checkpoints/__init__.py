"""What a run saves of its weights and state."""
