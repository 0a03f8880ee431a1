"""OTLP in: authenticate, bound, prune, journal, acknowledge. See receiver/README.md."""
