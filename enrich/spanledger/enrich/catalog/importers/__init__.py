"""Readers of other projects' price data; they run when a catalog is built or imported, never when a call is priced."""
