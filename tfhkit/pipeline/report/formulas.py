"""LaTeX formulas as MathML, which browsers show without scripts and without a network.

`latex2mathml` does the parsing. Its output is MathML 3; browsers have MathML Core, which lacks
parts of it, so bold and blackboard letters become characters of their own, and spaces and limits
are put as TeX puts them.
"""

import re
import unicodedata
from html import escape
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

STYLES = {
    "bold": "BOLD",
    "italic": "ITALIC",
    "bold-italic": "BOLD ITALIC",
    "script": "SCRIPT",
    "bold-script": "BOLD SCRIPT",
    "double-struck": "DOUBLE-STRUCK",
    "fraktur": "FRAKTUR",
    "sans-serif": "SANS-SERIF",
    "monospace": "MONOSPACE",
}
THIN_EM, RELATION_EM = "0.1667em", "0.2778em"
SPACES = {"|": "0", "\u2016": "0", "/": "0", ":": RELATION_EM}  # around these signs
LIMITS = {"max", "min", "lim", "sup", "inf", "arg\u2009min", "arg\u2009max"}
SPACED, CLOSING = ("mo", "mspace"), (")", "]", "}")
PRIMES = {"\u2032", "\u2033", "\u2034"}
_BRACE = "border:0 solid;border-{0}-width:.06em;padding-{0}:.15em;border-radius:{1}"
BRACES = {
    "\u23df": _BRACE.format("bottom", "0 0 .4em .4em"),
    "\u23de": _BRACE.format("top", ".4em .4em 0 0"),
}
NAMESPACE = "http://www.w3.org/1998/Math/MathML"


def to_mathml(latex: str, block: bool = False) -> str:
    """A formula as a <math> element.

    Args:
        latex: the formula without its dollar signs.
        block: on a line of its own, with large sums and limits below and above.
    Returns:
        HTML text; a formula with an unknown command stays LaTeX, in a <code> element.
    """
    try:
        math = parse(latex, block)
    except ValueError:
        return f'<code class="latex">{escape(latex.strip())}</code>'
    return ElementTree.tostring(math, encoding="unicode")


def parse(latex: str, block: bool = False) -> Element:
    """The <math> element (`xml.etree`) of a formula.

    Raises:
        ValueError: the formula is not valid LaTeX, or has an unknown command.
    """
    from latex2mathml.converter import convert

    text = re.sub(r"\\arg\s*\\(min|max)(?![a-zA-Z])", r"\\arg\1", latex)
    try:
        markup = convert(text, display="block" if block else "inline", xmlns="")
        math = ElementTree.fromstring(markup)
    except Exception as error:  # its exceptions have no base class
        raise ValueError(f"cannot be read: {latex} ({error!r})") from error
    unknown = [part.text for part in math.iter() if (part.text or "").startswith("\\")]
    if unknown:
        raise ValueError(f"unknown command {unknown[0]} in {latex}")
    math.set("xmlns", NAMESPACE)
    for part in list(math.iter()):
        _letters(part)
        _signs(part)
    _words(math)
    _functions(math, block)
    return math


def _letters(part: Element) -> None:
    """Letters with a style become Unicode's characters for it."""
    style = part.attrib.pop("mathvariant", None)
    if style == "normal" and len(part.text or "") == 1:
        part.set("mathvariant", "normal")  # the only style that MathML Core knows
    elif style in STYLES:
        part.text = "".join(styled(letter, style) for letter in part.text or "")


def styled(letter: str, style: str) -> str:
    """A letter or digit in a mathematical style; the letter itself if Unicode has no such sign."""
    name = unicodedata.name(letter, "")
    name = re.sub(r"^(LATIN|GREEK) | LETTER", "", name)
    for words in (f"MATHEMATICAL {STYLES[style]} {name}", f"{STYLES[style]} {name}",
                  f"{STYLES[style]} {name}".replace("FRAKTUR", "BLACK-LETTER")):  # fmt: skip
        try:
            return unicodedata.lookup(words)
        except KeyError:
            continue
    return letter


def _signs(part: Element) -> None:
    if part.get("width") == "negativethinmathspace":
        part.set("width", f"-{THIN_EM}")
    if part.tag in ("mi", "mo") and part.text in SPACES:
        part.tag = "mo"
        part.attrib |= {"lspace": SPACES[part.text], "rspace": SPACES[part.text]}
        part.attrib |= {} if "minsize" in part.attrib else {"stretchy": "false"}
    if part.tag == "msup" and part[1].text in PRIMES:  # the sign itself is small and raised
        part.tag, part[1].tag = "mrow", "mo"
        part[1].attrib = {"lspace": "0", "rspace": "0"}
    if part.tag in ("munder", "mover") and part[1].text in BRACES:
        part.set("style", BRACES[part[1].text])  # Chromium does not draw the left end of long ones
        part.tag = "mrow"
        part.remove(part[1])


def _words(parent: Element) -> None:
    r"""The letters of \mathrm{word} become one word."""
    for part in parent:
        _words(part)
    letters = list(parent)
    upright = [p.tag == "mi" and p.get("mathvariant") == "normal" for p in letters]
    if parent.tag == "mrow" and len(letters) > 1 and all(upright):
        word = Element("mi")
        word.text = "".join(letter.text or "" for letter in letters)
        parent[:] = [word]


def _functions(parent: Element, block: bool) -> None:
    """Names such as log and max: upright, limits below, a thin space where no bracket follows."""
    for part in parent:
        inner = block and parent.tag not in ("mfrac", "msub", "msup", "msubsup")
        _functions(part, inner and part.get("displaystyle") != "false")
    parts = []
    for k, part in enumerate(list(parent)):
        if not _is_function(part):
            parts.append(part)
            continue
        name = part if part.tag in ("mi", "mo") else part[0]
        name.tag, name.attrib = "mi", {}
        if block and part.tag == "msub" and name.text in LIMITS:
            part.tag = "munder"
        before = parent[k - 1] if k else None
        behind = parent[k + 1] if k + 1 < len(parent) else None
        row = parent.tag in ("mrow", "math", "mstyle", "mtd")
        if row and before is not None and (before.tag not in SPACED or before.text in CLOSING):
            parts.append(_thin_space())
        parts.append(part)
        if row and behind is not None and behind.tag not in SPACED:
            parts.append(_thin_space())
    parent[:] = parts


def _is_function(part: Element) -> bool:
    if part.tag in ("msub", "msup", "msubsup", "munder") and len(part):
        part = part[0]
    text = part.text or ""
    return part.tag in ("mi", "mo") and len(text) > 1 and text.replace("\u2009", "").isalpha()


def _thin_space() -> Element:
    return Element("mspace", {"width": THIN_EM})
