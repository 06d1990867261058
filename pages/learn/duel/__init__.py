"""Parts of the lessons on generator and discriminator: their moves, and what is drawn between two of them."""
