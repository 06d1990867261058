"""Memory and time of a training, estimated before it starts from one timed profile of the network."""
