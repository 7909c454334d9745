"""The edge's side of HTTP: requests, answers, the origin behind it."""
