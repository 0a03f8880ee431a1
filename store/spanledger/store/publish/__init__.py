"""The ledger as tables that other engines read, over the ledger's own files."""
