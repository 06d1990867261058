"""What is looked at: network, checkpoint, layer, image."""
