"""Parts of the lesson on the way back: by hand, and checked in a layer of one's own network."""
