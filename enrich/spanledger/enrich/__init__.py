"""Spans to exactly priced cost events, as pure functions over frozen records. See enrich/README.md."""
