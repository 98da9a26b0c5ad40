"""Drawn scenes with captions and the truth about them, for the demo and for tests."""
