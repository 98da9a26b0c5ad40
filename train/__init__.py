"""The trainer; empty until it is built (see CHANGELOG.md for what exists)."""
