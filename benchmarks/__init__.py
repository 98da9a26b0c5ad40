"""Measurements against peers; each module prints a table of ratios."""
