"""Which prompts to try, and which is kept."""
