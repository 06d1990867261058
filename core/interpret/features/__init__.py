"""What layers answer: activations, their statistics, similarity, receptive fields."""
