"""A generator and a discriminator of small pictures as a kind of run of its own: request, process, folder."""
