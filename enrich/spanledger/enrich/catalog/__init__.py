"""The price catalog: dated, content-addressed rates, shipped as data."""
