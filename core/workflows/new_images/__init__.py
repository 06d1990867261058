"""A trained network on new images: files that somebody gave, what the network says of them, tables of that."""
