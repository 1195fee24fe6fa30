"""How long work tells its caller how far it is."""

from collections.abc import Callable

# called as progress(done, total, text)
Progress = Callable[[int, int, str], None]
