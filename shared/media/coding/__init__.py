"""The context coder of planes and residuals."""
