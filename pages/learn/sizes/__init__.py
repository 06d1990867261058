"""Parts of the lesson on sizes and parameters: a chain, a layer of one's own network, the families."""
