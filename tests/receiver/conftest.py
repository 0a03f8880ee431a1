"""Property tests here have no deadline: timing is for benchmarks."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
