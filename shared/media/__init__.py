"""Images as prompts: what both ends of the media mode must agree on to the bit.

Light on purpose: numpy and the standard library, so that an edge or a probe regenerates images
without torch and without an image library.
"""
