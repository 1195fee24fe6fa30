"""`tfhkit app`: open a page that makes a video from your clip and voice."""

import sys

TEXT = "open a page that makes a video from your clip and voice"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "--port", type=int, metavar="N", help="port (default: 8866, or the next free one)"
    )
    command.add_argument("--no-browser", action="store_true", help="only print the address")


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.teach.app import open_page

    say = (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else (
        lambda line: print(line, flush=True))  # fmt: skip
    open_page(options.port, not options.no_browser, say)
    return {}, lambda _: "the page is closed"
