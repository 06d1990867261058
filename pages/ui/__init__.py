"""What pages share, in floors: shell, {visualization, plan}, augmentation, {runs, selection}, kit, session, text."""
