"""Parts of the lesson on convolution: the bench, a photograph, a layer of one's own network."""
