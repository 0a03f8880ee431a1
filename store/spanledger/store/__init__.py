"""Parquet tables and the SQLite metastore with one commit log; every question goes through DuckDB. See store/README.md."""
