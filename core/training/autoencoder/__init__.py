"""Networks that give pictures back through a narrow place: what they are made of, how they learn, what they learned."""
