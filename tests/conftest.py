"""No test fails for being slow: a machine that is busy says nothing about what is tested."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
