"""The report of a run: report.json for scripts, report.html for people (pictures inside)."""

import base64
import html
import io
import json
import time
import warnings
from pathlib import Path

from tfhkit.media import atomic_path
from tfhkit.series import manifest as manifests
from tfhkit.series import places
from tfhkit.series.runner import default_out, run_series
from tfhkit.series.sources import read_notebook
from tfhkit.series.tables import cell_text

SECTIONS = {
    "06_hs_metric": "How good is it",
    "05_memory_gan": "The memory-augmented GAN",
    "04_rendering": "Rendering and background",
    "03_lstm_training": "From sound to motion",
    "02_mfcc_pose_correlation": "Sound and head pose",
    "01_3dmm_fitting": "The face",
    "00_start_here": "The clip",
}
N_FRAMES = 5
PICTURE_WIDTH = 1200

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fbfaf8; margin: 0 }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.2rem 4rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem }
p.lead { color: #666; margin: .3rem 0 1.5rem } figure { margin: 0 0 1.4rem }
img, video { max-width: 100%; border-radius: 4px; display: block }
video { background: #000 } figcaption, small { color: #666; font-size: .85rem }
table { border-collapse: collapse; font-size: .92rem } td { padding: .15rem 1.4rem .15rem 0 }
td:last-child { font-variant-numeric: tabular-nums } tr + tr td { border-top: 1px solid #e6e2da }
a { color: #0b5e85 } .note { border-left: 3px solid #c98a1b; padding-left: .8rem }
"""


def run_and_report(write=True, say=print, **options):
    """Run the series and write the report; `options` are those of `run_series`.

    Returns:
        dict: what report.json holds, or with write=False only seconds and steps.
    """
    began = time.perf_counter()
    steps = run_series(say=say, **options)
    seconds = round(time.perf_counter() - began, 1)
    if not write:
        return {"seconds": seconds, "steps": [{k: s[k] for k in _ROW} for s in steps]}
    out = places.resolve_out(options.get("out") or default_out(options.get("clip", "sample")))
    return write_report(out, seconds, {step["name"]: step["status"] for step in steps})


_ROW = ("name", "status", "seconds")


def write_report(out, seconds=None, status=None):
    """Write report.json and report.html into a run directory, from its manifests.

    Args:
        out: the run directory (Path). seconds: of the call that ran it.
        status: dict of step name -> "run" or "kept", for the steps of that call.
    Returns:
        The content of report.json.
    """
    out = Path(out)
    found = {folder.name: manifests.read(folder) for folder in sorted(out.glob("[0-9][0-9]_*"))}
    found = {name: content for name, content in found.items() if content}
    pages = [_page(path) for path in sorted((out / places.EXECUTED).glob("*.ipynb"))]
    videos = [name for content in found.values() for name in content["outputs"]
              if name.endswith(".mp4")]  # fmt: skip
    last = list(found.values())[-1] if found else {"parameters": {}, "versions": {}}
    report = {
        "report": places.shown(out / "report.html"),
        "out": places.shown(out),
        "seconds": seconds,
        "parameters": {k: v for k, v in last["parameters"].items() if k != "own"},
        "steps": [
            {
                "name": name,
                "status": (status or {}).get(name, "kept"),
                **{key: content[key] for key in ("seconds", "peak_mb", "device", "backends")},
                "parameters": content["parameters"]["own"],
                "numbers": content["numbers"],
            }
            for name, content in found.items()
        ],
        "videos": [f"{places.shown(out)}/{name}" for name in videos],
        "notebooks": [f"{places.shown(out)}/{places.EXECUTED}/{p[:-5]}.ipynb" for p in pages],
        "versions": last["versions"],
    }
    _write(out / "report.json", json.dumps(report, indent=1) + "\n")
    _write(out / "report.html", _html(out, report, found, videos, pages))
    return report


def _write(path, text):
    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def _page(notebook):
    """An executed notebook as a web page beside it; gives the page's name."""
    from nbconvert import HTMLExporter

    page = notebook.with_suffix(".html")
    if not page.is_file() or page.stat().st_mtime < notebook.stat().st_mtime:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text, _ = HTMLExporter(template_name="lab").from_filename(str(notebook))
        _write(page, text)
    return page.name


def _html(out, report, found, videos, pages):
    given = report["parameters"]
    title = f"{Path(str(given.get('clip', '?'))).name} · {Path(str(given.get('speech', '?'))).name}"
    lead = f"profile {given.get('profile')}, seed {given.get('seed')}; " \
           f"{sum(c['seconds'] for c in found.values()) / 60:.1f} minutes of work"  # fmt: skip
    parts = [
        f"<h1>{html.escape(title)}</h1><p class=lead>{html.escape(lead)}</p>",
        "<p class=note>The videos are synthetic. They carry a visible mark and metadata that say "
        "so; share them only with the consent of the person shown.</p>",
    ]
    if videos:
        parts.append("<h2>The results</h2>" + "".join(_video(out, name) for name in videos))
    for name, text in SECTIONS.items():
        if name in found:
            body = _figures(out / places.EXECUTED / f"{name}.ipynb") + _numbers(
                found[name]["numbers"]
            )
            if body:
                parts.append(f"<h2>{text} <small>{name}</small></h2>{body}")
    links = "".join(f'<li><a href="{places.EXECUTED}/{p}">{p[:-5]}</a> '
                    f'(<a href="{places.EXECUTED}/{p[:-5]}.ipynb">notebook</a>)</li>'
                    for p in pages)  # fmt: skip
    parts.append(f"<h2>The executed notebooks</h2><ul>{links}</ul>")
    rows = {s["name"]: f"{s['seconds']:.0f} s, {s['peak_mb']} MB, {s['device']}"
            for s in report["steps"]}  # fmt: skip
    parts.append("<h2>How it was made</h2>" + _numbers({**rows, **report["versions"]}))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>'
        f"{html.escape(title)}</title><style>{_STYLE}</style><main>{''.join(parts)}</main></html>\n"
    )


def _numbers(numbers):
    """A table of name and value; nested dicts become names with dots."""
    flat = {}
    for name, value in numbers.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    cells = "".join(
        f"<tr><td>{html.escape(str(name).replace('_', ' '))}</td>"
        f"<td>{html.escape(cell_text(value))}</td></tr>"
        for name, value in flat.items()
    )
    return f"<table>{cells}</table>" if cells else ""


def _video(out, name):
    """A video: a strip of its frames (inside the page), and the player (the file beside it)."""
    strip = _strip(out / name)
    poster = f'<img alt="frames of {html.escape(name)}" src="{strip}">' if strip else ""
    return (
        f'<figure>{poster}<figcaption><a href="{html.escape(name)}">{html.escape(name)}</a>'
        f'</figcaption><video controls preload=none src="{html.escape(name)}"></video></figure>'
    )


def _strip(path):
    """Frames spread over a video, side by side, as a data URL; None where it cannot be read."""
    import av
    import numpy as np

    from tfhkit.media.reader import picture

    try:
        with av.open(str(path)) as container:
            total = sum(1 for _ in container.decode(video=0))
        wanted = set(np.linspace(0, total - 1, N_FRAMES + 2).round().astype(int)[1:-1].tolist())
        with av.open(str(path)) as container:
            frames = [picture(f, f.height, f.width) for i, f in
                      enumerate(container.decode(video=0)) if i in wanted]  # fmt: skip
    except (av.error.FFmpegError, OSError):
        return None
    wide = frames[0].shape[1] > 2 * frames[0].shape[0]  # a side-by-side video needs the width
    return _data_url(np.concatenate(frames[:3], 0) if wide else np.concatenate(frames, 1))


def _figures(notebook):
    """The figures of an executed notebook's cells tagged `report`; its last two where none is."""
    import numpy as np
    from PIL import Image

    if not notebook.is_file():
        return ""
    cells = [c for c in read_notebook(notebook)["cells"] if c["cell_type"] == "code"]
    chosen = [c for c in cells if "report" in c["metadata"].get("tags", ())] or cells
    pictures = [
        base64.b64decode("".join(output["data"]["image/png"]))
        for cell in chosen
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    figures = []
    for data in pictures if chosen is not cells else pictures[-2:]:
        with Image.open(io.BytesIO(data)) as image:
            paper = Image.new("RGBA", image.size, "white")
            pixels = np.asarray(Image.alpha_composite(paper, image.convert("RGBA")))[..., :3]
        alt = notebook.stem.replace("_", " ")
        figures.append(f'<figure><img alt="figure of {alt}" src="{_data_url(pixels)}"></figure>')
    return "".join(figures)


def _data_url(pixels):
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((PICTURE_WIDTH, 10 * PICTURE_WIDTH))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
