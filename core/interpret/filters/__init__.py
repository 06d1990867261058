"""Convolution kernels: as images, compared with one another, dead ones, and how training moved them."""
