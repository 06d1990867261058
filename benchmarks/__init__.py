"""Measurements, one JSON line each; none of them belongs to the test run."""
