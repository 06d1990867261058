"""What pages share, in floors: shell, visualization, {runs, selection, plan}, kit, session, text."""
