"""Training as data and as a loop: recipes, the loop with what it needs, the learning-rate finder, estimates."""
