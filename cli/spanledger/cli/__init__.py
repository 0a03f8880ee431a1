"""The spanledger command: wires receiver, enrich and store together. See cli/README.md."""
