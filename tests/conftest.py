"""Settings of all tests."""

from hypothesis import settings

# A loaded machine must not fail a law that holds; how long an example takes is no law.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
