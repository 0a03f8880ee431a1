"""Lets `python -m spanledger.cli` stand for the `spanledger` command."""

from spanledger.cli.app import main

if __name__ == "__main__":
    main()
