"""The entry point of the `spanledger` command: one group, lazily loaded commands, one place for errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from spanledger.cli.errors import EXIT_USAGE, complain, debug_wanted, describe, one_line
from spanledger.cli.lazy import LazyGroup
from spanledger.cli.options import CONTEXT

_ClickError: Any = typer.BadParameter.__mro__[2]  # ClickException: a name of click's or of typer's own copy, by version

app = typer.Typer(
    name="spanledger",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=CONTEXT,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"spanledger {version('spanledger')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """A cost ledger out of the spans your LLM applications already emit.

    Point an OTLP exporter or a Collector at [bold]spanledger serve[/bold], then ask [bold]spanledger report[/bold].

    [dim]New here?[/dim] [bold]spanledger demo[/bold] shows all of it in seconds.
    """


def run(args: list[str] | None = None) -> int:
    """Run the command line and give the exit code; every error becomes one line on stderr."""
    try:
        result = typer.main.get_command(app)(args=args, prog_name="spanledger", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as leaving:  # completion leaves this way; and click, with 1, when the reader of its output has left
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # click's mark of a broken pipe, wherever typer has click from
            _close_stdout_quietly()
            return 0
        return leaving.code if isinstance(leaving.code, int) else 0
    except BrokenPipeError:
        _close_stdout_quietly()
        return 0
    except typer.Abort:
        complain("interrupted")
        return 130
    except _ClickError as error:
        return _usage(error)
    except (Exception, KeyboardInterrupt) as error:  # the last resort that keeps tracebacks from users
        if debug_wanted():
            raise
        message, code = describe(error)
        complain(message)
        return code
    return result if isinstance(result, int) else 0


def _usage(error: Any) -> int:
    """A mistake on the command line as one line with the way to the help; a bare command prints its help instead."""
    context = getattr(error, "ctx", None)
    message = one_line(error.format_message())
    if type(error).__name__ == "NoArgsIsHelpError":
        return EXIT_USAGE
    hint = f" (see `{context.command_path} --help`)" if context is not None else ""
    complain(f"{message.rstrip('.')}{hint}")
    return int(getattr(error, "exit_code", EXIT_USAGE))


def _close_stdout_quietly() -> None:
    """The reader has left (`| head`): send what is still buffered nowhere, so that Python's exit says nothing."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())


def main() -> None:
    """Run the command line as a process."""
    sys.exit(run())
