"""An autoencoder as a kind of run of its own: what is asked for, what its folder holds, a classifier from it."""
