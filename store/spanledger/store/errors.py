"""What the store can refuse or find wrong, each with a name of its own, so that a command can answer in one line."""

from __future__ import annotations


class StoreError(Exception):
    """Anything the store refuses; the message is a sentence for a user."""


class LedgerNotFoundError(StoreError):
    """There is no ledger in this folder."""


class LedgerBusyError(StoreError):
    """Another process holds the right to do this (to write the ledger, or a lease)."""


class LedgerFencedError(StoreError):
    """The ledger moved on under this writer, so it is a stale one: it must stop and never write again."""


class LedgerVersionError(StoreError):
    """The data folder was written by a newer version."""


class RowError(StoreError, ValueError):
    """A record does not fit the schema (an id of a wrong length, a count beyond 64 bits); nothing of it was written."""


class QueryError(StoreError):
    """A question that cannot be answered: an unknown name, a bad time, or SQL that is not allowed."""


class PublishError(StoreError):
    """The table that is published beside the ledger cannot be read or written."""


class ChainError(StoreError):
    """The hash chain, or something signed or proved with it, is damaged or not what it should be."""
