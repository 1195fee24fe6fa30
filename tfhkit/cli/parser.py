"""The commands of `tfhkit`, each in the file of its name: arguments, call, text."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

from tfhkit import __version__
from tfhkit.profiles import MOST_SEED

COMMANDS = (
    "run learn talk portrait fit correlate hs evaluate study corpus pretrain recipes doctor bench "
    "lab app notebooks"
).split()

RECIPE_HELP = "ours, paper (its text) or published (its code); `tfhkit recipes` (default: ours)"
TRACK_HELP = "number of the clip's sound track, from 1 (default: the one with speech)"
DEVICES = "auto (a GPU where there is one), cpu, cuda or cuda:N"
DEVICE_HELP = DEVICES + " (default: the profile's)"

Outcome = tuple[dict[str, Any], Callable[[dict[str, Any]], str]]  # result, how to show it


def seed_number(text: str) -> int:
    """The value of `--seed`: a whole number of 0 or more."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative; give 0 or more")
    if number > MOST_SEED:
        raise argparse.ArgumentTypeError(f"{number} is too large; give {MOST_SEED} or less")
    return number


def port_number(text: str) -> int:
    """The value of `--port`: 0 to 65535; 0 is the default."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port; give 0 to 65535")
    return number


for _kind in (seed_number, port_number):
    _kind.__name__ = "int"  # what argparse calls it where it is no number


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `options.command(options)` returns an `Outcome`."""
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    parser = _Parser(prog="tfhkit", description="Audio-driven talking heads, step by step.")
    parser.add_argument("--version", action="version", version=f"tfhkit {__version__}")
    listed = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"tfhkit.cli.{name}")
        command = listed.add_parser(
            name, help=module.TEXT, description=module.TEXT, parents=[common]
        )
        module.add_arguments(command)
        command.set_defaults(command=module.call)
    return parser
