"""Studies: settings varied by a design, over seeds, as one object; what matters, and what is chance."""
