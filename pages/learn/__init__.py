"""Learn: lessons that begin with a prediction, each on numbers and on the person's own network."""
