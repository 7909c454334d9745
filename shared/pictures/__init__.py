"""One reading of picture files for the whole product: what they show, and what else they say."""
