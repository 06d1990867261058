"""The coach: rules over a run's curves and health that say what it shows and what to do."""
