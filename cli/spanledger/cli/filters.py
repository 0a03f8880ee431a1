"""The filter options that `report` and `events` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final

import typer

NAMES: Final = ("tenant", "user", "session", "workflow", "agent", "feature", "environment", "service", "provider", "model")
"""What rows can be narrowed by on the command line, each by an option of that name."""


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each filter; those that were given come to it as `chosen`: name -> values."""
    own = inspect.signature(command, eval_str=True)
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_filter(name)) for name in NAMES]
    parameters = [*(each for each in own.parameters.values() if each.name != "chosen"), *added]

    @wraps(command)
    def with_filters(**given: Any) -> None:
        values = {name: given.pop(name) for name in NAMES}
        command(**given, chosen={name: wanted for name, wanted in values.items() if wanted})

    del with_filters.__wrapped__  # what is shown and parsed are the parameters of this one
    vars(with_filters)["__signature__"] = own.replace(parameters=parameters)
    with_filters.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_filters


def _filter(what: str) -> object:
    option = typer.Option(
        metavar="NAME",
        help=f"Only this {what}.",
        show_default=False,
        rich_help_panel="Filters (repeat for several, '' for those without one)",
    )
    return Annotated[list[str] | None, option]
