"""Studies: an experiment varied by a design, trained as one object, and what its differences say."""
