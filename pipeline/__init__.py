"""Beam jobs (manifest, mine, count, shards) and the pure functions that they wire."""
