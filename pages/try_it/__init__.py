"""Try it: what a trained network says of new pictures."""
