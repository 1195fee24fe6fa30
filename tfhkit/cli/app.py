"""`tfhkit app`: open a page that makes a video from your clip and voice."""

import sys
from argparse import ArgumentParser, Namespace

from tfhkit.cli.parser import Outcome, port_number

TEXT = "open a page that makes a video from your clip and voice"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "--port", type=port_number, metavar="N", help="port (default: 8866, or the next free one)"
    )
    command.add_argument("--no-browser", action="store_true", help="only print the address")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.teach.app import open_page

    def say(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    open_page(options.port, not options.no_browser, say)
    return {}, lambda _: "the page is closed"
