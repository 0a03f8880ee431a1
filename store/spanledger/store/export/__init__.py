"""The ledger taken elsewhere: rows in shapes that warehouses load, as files in a folder or an object store."""
