"""Small networks that a lesson trains when somebody asks for it, on sets that come with the project."""
