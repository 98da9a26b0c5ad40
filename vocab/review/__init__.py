"""The screen and the prompt at which people decide on candidates, one key a decision."""
