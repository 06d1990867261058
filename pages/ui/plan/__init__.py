"""What will be trained: the freeze plan, the experiment, its costs."""
