"""The same bits on other processors: golden digests, and what makes them anew elsewhere."""
