"""`tfhkit notebooks`: list the notebooks with their parameters."""

TEXT = "list the notebooks with their parameters"


def add_arguments(command):
    """The options of this command."""


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.pipeline.runner import describe

    return describe(), _show_notebooks


def _show_notebooks(result):
    lines = []
    for name, parameters in result.items():
        lines.append(name)
        for p in parameters:
            lines.append(f"  {p['name']}: {p['type']} = {p['default']!r}  {p['comment']}")
    return "\n".join(lines)
