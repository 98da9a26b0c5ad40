"""The Tag2Text model; empty until the model is built (see CHANGELOG.md for what exists)."""
