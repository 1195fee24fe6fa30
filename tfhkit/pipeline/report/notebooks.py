"""Executed notebooks as web pages that need no network: formulas, pictures, links between them."""

import base64
import re
import warnings
from collections.abc import Collection
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from tfhkit.media import atomic_path
from tfhkit.pipeline.report.formulas import to_mathml
from tfhkit.pipeline.sources import Notebook

HERE = Path(__file__).parent
UNSAID = "No description has been provided for this image"  # nbconvert's text
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}
<meta name="color-scheme" content="light dark">
<style>@media screen and (prefers-color-scheme: dark) {
{{ resources.dark_theme }}
}</style>
<style>{{ resources.page_style }}</style>
{%- endblock -%}
{%- block body_header -%}
<body class="jp-Notebook" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light">
{{ resources.page_links }}
<main>
{%- endblock -%}
{%- block body_footer -%}
</main>
{{ resources.page_links | replace('"Notebooks"', '"Notebooks, once more"') }}
</body>
{%- endblock -%}
"""


def page_of(notebook: Path) -> Path:
    """Write an executed notebook as a web page next to it, unless a newer one exists.

    Args:
        notebook: the `.ipynb` file; the others in its folder are linked.
    Returns:
        The `.html` file.
    """
    page = notebook.with_suffix(".html")
    made_from = [notebook, *HERE.iterdir()]
    if page.is_file() and page.stat().st_mtime >= max(p.stat().st_mtime for p in made_from):
        return page
    names = sorted(path.stem for path in notebook.parent.glob("[0-9][0-9]_*.ipynb"))
    with atomic_path(page) as temporary:
        Path(temporary).write_text(page_text(notebook, names), encoding="utf-8")
    return page


def page_text(notebook: Path, names: Collection[str] = ()) -> str:
    """An executed notebook as HTML, with links to the notebooks `names` next to it."""
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's own
        content = nbformat.read(notebook, as_version=4)
        text, _ = _exporter()().from_notebook_node(
            content,
            resources={
                "metadata": {"name": title_of(content) or notebook.stem},
                "page_links": _links(notebook.stem, names),
                "page_style": _style(),
                "dark_theme": _dark_theme(),
            },
        )
    return _relinked(_described(text, content), names)


def title_of(content: Notebook) -> str | None:
    """The first heading of a notebook, or None if it has none."""
    for cell in content["cells"]:
        found = re.search(r"^# +(.+)$", "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "markdown" and found:
            return found[1].strip()
    return None


@cache
def _exporter() -> type:
    """nbconvert's HTML exporter with MathML for formulas; made late, as nbconvert loads slowly."""
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        """Markdown with its formulas as MathML."""

        def inline_math(self, body: str) -> str:
            return to_mathml(body)

        def block_math(self, body: str) -> str:
            return f'<div class="formula" tabindex="0">{to_mathml(body, block=True)}</div>'

        def latex_environment(self, name: str, body: str) -> str:
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    class Exporter(HTMLExporter):
        """HTML that loads nothing from a server."""

        raw_template = TEMPLATE

        @pass_context
        def markdown2html(self, context: Any, source: str) -> str:
            attachments = context.get("cell", {}).get("attachments", {})
            renderer = Renderer(escape=False, attachments=attachments, anchor_link_text="¶")
            return MarkdownWithMath(renderer=renderer).render(source)

    return Exporter


@cache
def _dark_theme() -> str:
    """JupyterLab's dark colours; the page uses them only if the reader prefers a dark page."""
    exporter = _exporter()()
    return exporter.environment.loader.get_source(exporter.environment, "static/theme-dark.css")[0]


@cache
def _style() -> str:
    font = base64.b64encode((HERE / "math.woff2").read_bytes()).decode()
    face = f"@font-face{{font-family:'kit math';src:url(data:font/woff2;base64,{font})}}\n"
    return face + (HERE / "notebook.css").read_text(encoding="utf-8")


def _links(name: str, names: Collection[str]) -> str:
    """Links to the notebooks before and after, and to the report."""
    order = list(names)
    at = order.index(name) if name in order else -1
    parts = []
    if at > 0:
        parts.append(_link(order[at - 1], "prev", "\u2190 "))
    parts.append('<a href="../report.html">Report of this run</a>')
    if 0 <= at < len(order) - 1:
        parts.append(_link(order[at + 1], "next", "", " \u2192"))
    return f'<nav class="pages" aria-label="Notebooks">{"".join(parts)}</nav>'


def _link(name: str, relation: str, before: str = "", behind: str = "") -> str:
    text = escape(name.replace("_", " "))
    return f'<a rel="{relation}" href="{escape(name)}.html">{before}{text}{behind}</a>'


def _relinked(text: str, names: Collection[str]) -> str:
    """Make links between notebooks lead to their pages, and links to a run's files to this run."""

    def page(match: re.Match[str]) -> str:
        ours = match[1] in names
        return f'href="{match[1]}.html{match[2] or ""}"' if ours else match[0]

    text = re.sub(r'href="(?:\./)?([\w-]+)\.ipynb(#[^"]*)?"', page, text)
    return re.sub(r'href="\.\./runs/[^/"]+/', 'href="../', text)


def _described(text: str, content: Notebook) -> str:
    """Describe pictures without a text by the heading that they stand under."""
    heading = title_of(content) or "this notebook"

    def alternative(match: re.Match[str]) -> str:
        nonlocal heading
        if match[1]:
            heading = re.sub(r"<math.*?</math>|<[^>]+>|\u00b6", "", match[1]).strip()
            return match[0]
        return f'alt="Figure under the heading {heading}"'

    return re.sub(rf'<h[1-6][^>]*>(.*?)</h[1-6]>|alt="{UNSAID}"', alternative, text, flags=re.S)
