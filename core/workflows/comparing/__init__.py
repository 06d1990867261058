"""Laying runs side by side: their recipes, curves, answers, and what transfer gained. Loads torch only where said."""
