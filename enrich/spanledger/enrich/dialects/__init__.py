"""One file for each family of instrumentations: how it spells usage, kinds and names."""
