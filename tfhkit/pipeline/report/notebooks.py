"""Executed notebooks as web pages that need no network: formulas, pictures, links between them."""

import base64
import re
import warnings
from functools import cache
from html import escape
from pathlib import Path

from tfhkit.media import atomic_path
from tfhkit.pipeline.report.formulas import to_mathml

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


def page_of(notebook):
    """Write an executed notebook as a web page next to it, unless a newer one exists.

    Args:
        notebook: Path of the `.ipynb`; the others in its folder are linked.
    Returns:
        Path of the `.html`.
    """
    page = notebook.with_suffix(".html")
    made_from = [notebook, *HERE.iterdir()]
    if page.is_file() and page.stat().st_mtime >= max(p.stat().st_mtime for p in made_from):
        return page
    names = sorted(path.stem for path in notebook.parent.glob("[0-9][0-9]_*.ipynb"))
    with atomic_path(page) as temporary:
        Path(temporary).write_text(page_text(notebook, names), encoding="utf-8")
    return page


def page_text(notebook, names=()):
    """An executed notebook as HTML; `names` are those of the notebooks next to it."""
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


def title_of(content):
    """The first heading of a notebook, None where there is none."""
    for cell in content["cells"]:
        found = re.search(r"^# +(.+)$", "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "markdown" and found:
            return found[1].strip()
    return None


@cache
def _exporter():
    """nbconvert's HTML exporter with MathML for formulas; made late, for nbconvert loads slowly."""
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        """Markdown with its formulas as MathML."""

        def inline_math(self, body):
            return to_mathml(body)

        def block_math(self, body):
            return f'<div class="formula" tabindex="0">{to_mathml(body, block=True)}</div>'

        def latex_environment(self, name, body):
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    class Exporter(HTMLExporter):
        """HTML that asks no server for anything."""

        raw_template = TEMPLATE

        @pass_context
        def markdown2html(self, context, source):
            attachments = context.get("cell", {}).get("attachments", {})
            renderer = Renderer(escape=False, attachments=attachments, anchor_link_text="¶")
            return MarkdownWithMath(renderer=renderer).render(source)

    return Exporter


@cache
def _dark_theme():
    """Lab's colours for the dark, for a place where they hold only if the reader wants them."""
    exporter = _exporter()()
    return exporter.environment.loader.get_source(exporter.environment, "static/theme-dark.css")[0]


@cache
def _style():
    font = base64.b64encode((HERE / "math.woff2").read_bytes()).decode()
    face = f"@font-face{{font-family:'kit math';src:url(data:font/woff2;base64,{font})}}\n"
    return face + (HERE / "notebook.css").read_text(encoding="utf-8")


def _links(name, names):
    """Links to the notebooks before and after, and to the report."""
    names = list(names)
    at = names.index(name) if name in names else -1
    parts = []
    if at > 0:
        parts.append(_link(names[at - 1], "prev", "\u2190 "))
    parts.append('<a href="../report.html">Report of this run</a>')
    if 0 <= at < len(names) - 1:
        parts.append(_link(names[at + 1], "next", "", " \u2192"))
    return f'<nav class="pages" aria-label="Notebooks">{"".join(parts)}</nav>'


def _link(name, relation, before="", behind=""):
    text = escape(name.replace("_", " "))
    return f'<a rel="{relation}" href="{escape(name)}.html">{before}{text}{behind}</a>'


def _relinked(text, names):
    """Links between notebooks lead to their pages, links to a run's files to this run's."""

    def page(match):
        ours = match[1] in names
        return f'href="{match[1]}.html{match[2] or ""}"' if ours else match[0]

    text = re.sub(r'href="(?:\./)?([\w-]+)\.ipynb(#[^"]*)?"', page, text)
    return re.sub(r'href="\.\./runs/[^/"]+/', 'href="../', text)


def _described(text, content):
    """Pictures without a text are called after the heading that they stand under."""
    heading = title_of(content) or "this notebook"

    def alternative(match):
        nonlocal heading
        if match[1]:
            heading = re.sub(r"<math.*?</math>|<[^>]+>|\u00b6", "", match[1]).strip()
            return match[0]
        return f'alt="Figure under the heading {heading}"'

    return re.sub(rf'<h[1-6][^>]*>(.*?)</h[1-6]>|alt="{UNSAID}"', alternative, text, flags=re.S)
