"""What will be trained: freezing, experiment, costs."""
