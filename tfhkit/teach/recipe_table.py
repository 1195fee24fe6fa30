"""The recipes' choices as a table in a notebook."""

from html import escape

from IPython.display import HTML

from tfhkit.recipes import CHOICES, RECIPES, in_words


def recipe_table(*parts: str) -> HTML:
    """What each recipe chooses: a row for each choice, a column for each recipe.

    Args:
        parts: keys of `tfhkit.recipes.PARTS`; none for all.
    """
    head = "".join(f"<th>{name}</th>" for name in ("", *RECIPES, "section"))
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(row.words)}</td>"
        + "".join(f"<td>{escape(in_words(getattr(row, name)))}</td>" for name in RECIPES)
        + f"<td style='text-align:left'>{escape(row.source)}</td></tr>"
        for row in CHOICES
        if not parts or row.part in parts
    )
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
