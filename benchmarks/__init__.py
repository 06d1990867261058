"""Measurements, one JSON line each; none of them belongs to the test run."""

import core  # noqa: F401  before anybody loads torch, whose threads then wait as in the app: asleep
