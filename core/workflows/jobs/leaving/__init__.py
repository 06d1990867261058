"""Jobs by which a trained network is put to use: predictions of many new images, a report."""
