"""`tfhkit lab`: open JupyterLab on your own copies of the notebooks, in work/."""

from argparse import ArgumentParser, Namespace

from tfhkit.cli.parser import Outcome, port_number

TEXT = "open JupyterLab on your own copies of the notebooks, in work/"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "--port", type=port_number, metavar="N", help="port (default: the next free one)"
    )
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.add_argument(
        "options",
        nargs="*",
        metavar="OPTION",
        help="options for jupyter lab, after --, such as -- --allow-root",
    )


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.teach.lab import open_lab

    further = [f"--ServerApp.port={options.port}"] if options.port else []
    further += ["--no-browser"] if options.no_browser else []
    code = open_lab([*further, *options.options])
    return {"ok": code == 0, "exit_code": code}, lambda _: ""
