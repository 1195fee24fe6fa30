"""The notebooks' pages without a network: formulas as MathML, texts of pictures, links."""

import re
from pathlib import Path

import pytest
from report_toys import Reader, targets, toy_run

from tfhkit.pipeline.places import STEPS, kit_dir
from tfhkit.pipeline.report.formulas import parse, styled, to_mathml
from tfhkit.pipeline.report.notebooks import page_of

SOURCES = kit_dir() / "notebooks" / "src"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "run"
    toy_run(out)
    return out


@pytest.fixture(scope="module")
def lesson(run):
    return (run / "notebooks" / "01_3dmm_fitting.html").read_text()


@pytest.mark.slow
def test_a_notebooks_page_is_on_its_own(lesson):
    assert "<script" not in lesson and not re.search(r'(src|href)="(https?:)?//', lesson)
    assert len(re.findall(r"<math[ >]", lesson)) == 2 and "\\mathbf" not in lesson
    assert "no $5" in lesson and "prefers-color-scheme: dark" in lesson


@pytest.mark.slow
def test_a_notebooks_page_has_links_and_texts(run, lesson):
    reader = Reader(lesson)
    links = [link.get("href") for link in reader.all("a")]
    assert {"00_start_here.html", "00_start_here.html#The-series", "other.ipynb",
            "../report.html", "../05_memory_gan/side_by_side.mp4"} <= set(links)  # fmt: skip
    (image,) = reader.all("img")
    assert image["alt"] == "Figure under the heading Results"
    missing = [file for file in targets(run / "notebooks", lesson) if not file.is_file()]
    assert [file.name for file in missing] == ["other.ipynb"]
    begin = Reader((run / "notebooks" / "00_start_here.html").read_text())
    assert [link["href"] for link in begin.all("a") if link.get("rel") == "next"] == [
        "01_3dmm_fitting.html"] * 2  # fmt: skip


@pytest.mark.slow
def test_a_page_is_kept_until_its_notebook_changes(run):
    notebook = run / "notebooks" / "00_start_here.ipynb"
    page = page_of(notebook)
    before = page.stat().st_mtime_ns
    assert page_of(notebook) == page and page.stat().st_mtime_ns == before
    notebook.write_text(notebook.read_text().replace("Begin", "Once more"))
    assert "Once more" in page_of(notebook).read_text()


# formulas


def formulas_in(text):
    for found in re.finditer(r"\$\$(.+?)\$\$|(?<![\\$])\$(?!\$)(.+?)(?<!\\)\$", text, re.DOTALL):
        yield found[1] or found[2], bool(found[1])


def markdown_of(path):
    cells = re.split(r"(?m)^# %%", path.read_text())
    for cell in cells:
        if cell.startswith(" [markdown]"):
            lines = (re.sub(r"^# ?", "", line) for line in cell.splitlines()[1:])
            yield re.sub(r"```.*?```|`[^`]*`", "", "\n".join(lines), flags=re.DOTALL)


@pytest.mark.parametrize("step", STEPS)
def test_every_formula_becomes_mathml(step):
    for text in markdown_of(SOURCES / f"{step}.py"):
        for latex, block in formulas_in(text):
            math = parse(latex, block)
            kinds = {part.get("mathvariant") for part in math.iter()} - {None, "normal"}
            assert not kinds, f"{latex}: browsers do not know {kinds}"


@pytest.mark.parametrize(
    "letter, style, styled_letter",
    [("w", "bold", "𝐰"), ("α", "bold-italic", "𝜶"), ("R", "double-struck", "ℝ"),
     ("E", "double-struck", "𝔼"), ("L", "script", "ℒ"), ("m", "script", "𝓂"), ("1", "bold", "𝟏"),
     ("C", "fraktur", "ℭ"), ("h", "italic", "h"), ("+", "bold", "+")],
)  # fmt: skip
def test_letters_in_a_style(letter, style, styled_letter):
    assert styled(letter, style) == styled_letter


@pytest.mark.parametrize(
    "latex, block, part",
    [
        (r"\arg\min_{w} f", True, "<munder><mi>arg\u2009min</mi>"),
        (r"\max_k q", False, "<msub><mi>max</mi>"),
        (r"-\log p(x)", False, '<mi>log</mi><mspace width="0.1667em" /><mi>p</mi>'),
        (r"\log(x)", False, "<mi>log</mi><mo"),
        (r"c'", False, '<mi>c</mi><mo lspace="0" rspace="0">\u2032</mo>'),
        (r"\mathrm{diag}(\sigma)", False, "<mi>diag</mi>"),
        (r"|x|", False, 'lspace="0" rspace="0"'),
        (r"\underbrace{a + b}_{c}", True, "border-bottom-width"),
    ],
)
def test_mathml_as_tex_sets_it(latex, block, part):
    assert part in to_mathml(latex, block)


def test_a_command_that_is_not_known_stays_latex():
    with pytest.raises(ValueError, match=r"unknown command \\notacommand"):
        parse(r"x + \notacommand")
    assert to_mathml(r"\notacommand < 1") == '<code class="latex">\\notacommand &lt; 1</code>'
    assert to_mathml(r"\frac{").startswith("<code")


# links in the notebooks


@pytest.mark.parametrize("step", STEPS)
def test_notebooks_link_to_their_neighbours_and_to_what_they_write(step):
    text, k = (SOURCES / f"{step}.py").read_text(), STEPS.index(step)
    links = re.findall(r"\]\(([^)\s]+)\)", "\n".join(markdown_of(SOURCES / f"{step}.py")))
    notebooks = [link.partition("#")[0] for link in links if ".ipynb" in link]
    assert set(notebooks) <= {f"{name}.ipynb" for name in STEPS}
    for neighbour in STEPS[max(0, k - 1) : k + 2]:
        if neighbour != step:
            assert notebooks.count(f"{neighbour}.ipynb") >= 1 + (neighbour > step)
    for link in links:
        if link.startswith("../runs/") and not link.endswith("/report.html"):
            *_, room, file = Path(link).parts
            patterns = {file, file.replace("held_back", "{name}"), file.replace("speech", "{name}")}
            assert room == step and any(f'step.path({f}"{n}")' in text
                                        for n in patterns for f in ("", "f"))  # fmt: skip
    if k == 0:
        assert set(notebooks) == {f"{name}.ipynb" for name in STEPS[1:]}
