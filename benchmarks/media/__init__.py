"""Measures pictures: generators, archives, surveys."""
