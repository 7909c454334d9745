"""Is a drawing good enough, and what is sent where it is not."""
