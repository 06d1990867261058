"""Evaluate's views that judge a run anew: spoilt pictures, and several views of each."""
