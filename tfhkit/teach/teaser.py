"""Make the small video at the top of notebook 00 from a finished run: `python -m
tfhkit.teach.teaser`. It is shipped as `assets/teaser.mp4`, with its SHA-256 in `teaser.json`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tfhkit.assets import assets_dir
from tfhkit.background.images import Coarse
from tfhkit.errors import InputError
from tfhkit.media import open_clip, sha256_of, write_video
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places
from tfhkit.pipeline.step import resolve
from tfhkit.refine import Refined
from tfhkit.refine.paste import label_band

PANEL_PX = 216
ALT = (
    "Three views of a man who speaks towards the camera: as he was filmed, the face model "
    "driven by the sound, and the refined picture."
)


def make_teaser(out: Path, path: Path) -> Path:
    """Real, coarse and refined pictures of the held-out part next to each other, with sound.

    Args:
        out: directory of a finished run on the sample clip, the only clip that may be shipped.
        path: the `.mp4` file to write; its card, a `.json` file, is written to the same folder.
    Returns:
        The path.
    """
    images = Coarse.load(out / "04_rendering" / "coarse_held_back.npz")
    refined = Refined.load(out / "05_memory_gan" / "refined_held_back.npz")
    columns = {"filmed": images.real, "rendered": images.render, "finished": refined.pictures}
    clip = open_clip(resolve("clip", "sample", out))
    sound = clip.audio[round(clip.sr_hz * refined.times[0]) :]
    head = np.hstack([label_band(name, PANEL_PX) for name in columns])
    frames = [np.vstack([head, np.hstack(_larger(row))]) for row in zip(*columns.values())]
    write_video(path, frames, refined.times, sound)
    made = manifests.read(out / "05_memory_gan")
    if made is None:
        raise InputError(out, "holds no finished step 05", "run the series there first")
    card = {
        "sha256": sha256_of(path),
        "content": ALT,
        "made": "python -m tfhkit.teach.teaser, from the held-out part of the sample clip",
        "profile": made["parameters"]["profile"],
        "licence": "CC0; the clip is a work of the US government, public domain",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return path


def _larger(pictures):
    size = (PANEL_PX, PANEL_PX)
    return [cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in pictures]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make assets/teaser.mp4 from a finished run.")
    parser.add_argument("--out", default="runs/sample", help="run directory, of the sample clip")
    options = parser.parse_args(argv)
    path = make_teaser(places.resolve_out(options.out), assets_dir() / "teaser.mp4")
    print(f"{places.shown(path)}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
