"""A small run directory with manifests, a video and two executed notebooks, made in a second."""

import base64
import io
import json
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import numpy as np
from PIL import Image

from tfhkit.media import write_video
from tfhkit.pipeline.report import write_report

ROOM = "05_memory_gan"
NUMBERS = {
    "00_start_here": {"frames": 105, "seconds": 8.75, "fps": 12.0, "silence_share": 0.284},
    "01_3dmm_fitting": {
        "frames": 105, "nme_inner_pct": 1.037907, "nme_mouth_pct": 0.937701,
        "photometric_l1": 0.0282468, "jitter_deg": 0.4258538,
    },
    "02_mfcc_pose_correlation": {
        "paper_r": 0.0279, "paper_low": -0.25, "paper_high": 0.59, "no_neighbours_r": -0.504,
        "no_neighbours_low": -0.905, "no_neighbours_high": 0.355, "no_neighbours_null_mean": 0.0086,
        "p_corrected": 1.0, "power_share_pairs_12s": None, "power_share_few_lags_12s": 0.4778,
    },
    "03_lstm_training": {
        "lip_r": 0.581, "lip_r_low": 0.102, "lip_r_high": 0.898, "lip_r_shuffled": -0.025,
        "lip_r_ridge": 0.837, "mouth_mm": 1.951, "mouth_mm_frozen": 2.091, "mouth_mm_ridge": 1.948,
        "best_epoch": [11, 16, 27],
    },
    "04_rendering": {
        "hs_held_back": {"predicted": 0.671, "paper": 0.764, "published": 0.78, "still": 0.583},
        "paper_speech": {
            "shape_from_sound": 0.2369, "interval": [0.19, 0.285],
            "shape_per_angle": [0.381, 0.251, 0.196], "apart_deg": 0.577,
        },
    },
    ROOM: {
        "psnr_db": 32.989, "psnr_gain_db": 8.134, "psnr_gain_db_low": 6.828,
        "psnr_gain_db_high": 9.245, "psnr_nearest_db": 26.2, "ssim": 0.92337, "ssim_gain": 0.18248,
        "flicker_ratio": 0.888, "from_general": True,
        "ablations": [
            {"name": "full model", "psnr": 31.94, "ssim": 0.9065, "change": 0.0, "interval": None,
             "steps": 100, "parameters": 3735056},
            {"name": "mean identity", "psnr": 32.09, "ssim": 0.9077, "change": 0.15,
             "interval": [0.09, 0.216], "steps": 100, "parameters": 3735056},
        ],
    },
    "06_hs_metric": {
        "psnr_face": 20.178, "psnr_face_unrefined": 20.306, "psnr_face_nearest": 24.78,
        "hs": 0.764, "hs_interval": [0.441, 1.0], "hs_frozen_training": 0.63, "hs_replay": 0.719,
        "hs_minus_frozen_training_interval": [-0.134, 0.669], "w1_deg": [1.8, 4.95, 2.92],
        "a_new_number_px": 3.25, "odd": {"inner": [1, {"deep": 2.5}]},
    },
}  # fmt: skip
FORMULA = r"""# 01 · A lesson

Inline $\boldsymbol\beta = A^\top \mathbf w$ costs no \$5; on a line of its own

$$\hat{\mathbf w} = \arg\min_{\mathbf w \ge 0} \big|\mathbf B\,\mathbf w\big|^2 + \frac{a}{b}$$

[before](00_start_here.ipynb), [a part](00_start_here.ipynb#The-series), [elsewhere](other.ipynb),
[the video](../runs/sample/05_memory_gan/side_by_side.mp4)

## Results

| a | table that is much too wide for a telephone | with many | columns | of words |
|---|---|---|---|---|
| 1 | unbreakable_long_name_of_something_or_other | 2345678901 | 2345678901 | 2345678901 |
"""


def manifest_of(name, numbers, outputs=()):
    """A manifest as `Step.finish` writes it."""
    given = {"clip": "sample", "speech": "sentence", "profile": "tiny", "seed": 0, "own": {}}
    return {
        "name": name, "fingerprint": "f", "parameters": given, "inputs": {},
        "outputs": {f"{name}/{file}": "" for file in outputs}, "numbers": numbers,
        "backends": {"rasterizer": "numba"}, "device": "cpu", "seconds": 12.3, "peak_mb": 900,
        "versions": {"python": "3.11"},
    }  # fmt: skip


def png(colour):
    """Bytes of a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (900, 240), colour).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def write_notebooks(folder):
    """Two executed notebooks: one with an <img> with a text, one with a picture without."""
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    image = f'<img alt="Two curves & a dot" src="data:image/png;base64,{png("navy")}">'
    shown = nbformat.v4.new_output("display_data", {"text/html": image, "text/plain": "figure"})
    bare = nbformat.v4.new_output("display_data", {"image/png": png("darkred")})
    first = [
        text("# 00 · Begin"),
        code("plot()", outputs=[shown], metadata={"tags": ["report"]}),
        text("*Curves of `x`\nover time.*\n\nMore."),
        code("other()", outputs=[bare]),
    ]
    long_line = "print('a line that is much too long for a telephone, so it scrolls in its cell')"
    second = [text(FORMULA), code(long_line, outputs=[bare])]
    folder.mkdir(parents=True)
    for name, cells in (("00_start_here", first), ("01_3dmm_fitting", second)):
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, folder / f"{name}.ipynb")


def write_toy_video(path, seconds=2, size=(64, 96)):
    """A small film that gets brighter, with a tone."""
    n_frames = 12 * seconds
    level = np.linspace(40, 220, n_frames)[:, None, None, None]
    frames = np.broadcast_to(level, (n_frames, *size, 3)).astype(np.uint8)
    tone = 0.1 * np.sin(np.arange(16000 * seconds) * 0.2)
    write_video(path, iter(frames), 12, tone, visible_mark=False)


def toy_run(out):
    """A run directory with its report; gives the content of report.json."""
    for name, numbers in NUMBERS.items():
        outputs = ("side_by_side.mp4", "gone.mp4", "broken.mp4") if name == ROOM else ()
        (out / name).mkdir(parents=True)
        content = manifest_of(name, numbers, outputs)
        (out / name / "manifest.json").write_text(json.dumps(content))
    write_toy_video(out / ROOM / "side_by_side.mp4")
    (out / ROOM / "broken.mp4").write_bytes(b"no video")
    write_notebooks(out / "notebooks")
    return write_report(out, 1.0)


class Reader(HTMLParser):
    """Elements of a page as (tag, attributes), and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [given for name, given in self.elements if name == tag]


def targets(folder, text):
    """Files that a page's links lead to; a link with # must have its place in the page."""
    reader = Reader(text)
    ids = {given["id"] for _, given in reader.elements if given.get("id")}
    links = [given.get("href") or given.get("src") or "" for _, given in reader.elements]
    for link in links:
        file, _, place = link.partition("#")
        if place and not file:
            assert {place, unquote(place)} & ids, link
        if file and not file.startswith(("data:", "http")):
            yield folder / unquote(file)
