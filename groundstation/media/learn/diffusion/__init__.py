"""Learning a family as an image generator by diffusion, and finding the seeds of its pictures."""
