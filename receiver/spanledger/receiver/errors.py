"""What can be wrong with a request, by name; what each means to the sender is decided in admission.py and nowhere else."""

from __future__ import annotations


class MalformedRequest(ValueError):  # noqa: N818 - the name is part of the contract and says whose error it is
    """The body is not an OTLP trace request; its text is one line without any of the body's bytes. Sending it again cannot help."""


class TooLarge(ValueError):  # noqa: N818 - as above
    """The body is larger than the limit, as sent or after inflation."""


class Laborious(Exception):  # noqa: N818 - as above
    """The request takes more work than may be done where it was read; elsewhere it may be fine."""


class UnsupportedEncoding(ValueError):  # noqa: N818 - as above
    """A content type or a compression that the server does not speak."""
