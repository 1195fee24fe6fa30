"""Benchmarks: parts of the kit compared with a peer in the same process; the ratio counts."""

from typing import Any

Row = dict[str, Any]  # one line of a benchmark's table: column -> text or number
