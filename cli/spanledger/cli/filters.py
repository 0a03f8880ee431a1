"""The filter options that `report` and `events` share."""

from __future__ import annotations

from typing import Annotated

import typer


def _filter(what: str) -> object:
    return typer.Option(
        metavar="NAME",
        help=f"Only this {what}.",
        show_default=False,
        rich_help_panel="Filters (repeat for several, '' for those without one)",
    )


class Filters:
    """One option type for each column that rows can be narrowed by."""

    Tenant = Annotated[list[str] | None, _filter("tenant")]
    User = Annotated[list[str] | None, _filter("user")]
    Session = Annotated[list[str] | None, _filter("session")]
    Workflow = Annotated[list[str] | None, _filter("workflow")]
    Agent = Annotated[list[str] | None, _filter("agent")]
    Feature = Annotated[list[str] | None, _filter("feature")]
    Environment = Annotated[list[str] | None, _filter("environment")]
    Service = Annotated[list[str] | None, _filter("service")]
    Provider = Annotated[list[str] | None, _filter("provider")]
    Model = Annotated[list[str] | None, _filter("model")]


def chosen(**given: list[str] | None) -> dict[str, list[str]]:
    """The filters that were given at all."""
    return {name: values for name, values in given.items() if values}
