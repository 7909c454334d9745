"""Attacks on a real listener, and what each costs the honest message beside an undisturbed run."""
