"""Which seed says a text under a model: greedy, drawn or coded."""
