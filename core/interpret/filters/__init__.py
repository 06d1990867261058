"""Convolution kernels: which are alike, which are dead, how training moved them."""
