"""The ways in which a person brings images: files, pictures put into classes, a camera, known sets."""
