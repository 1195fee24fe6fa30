"""The memory as a map that shows its frames: choose a slot, see who wrote it and who read it.

The output is HTML that carries its pictures and its script. It needs no kernel: it works in
JupyterLab and in an exported page. Where no scripts run, a drawing of the same map is shown.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from tfhkit.errors import check_shape
from tfhkit.media import jpeg_bytes
from tfhkit.refine import Memory, Retrieval
from tfhkit.teach.display import data_url, picture_html, show_html
from tfhkit.teach.hover import small_picture
from tfhkit.teach.slots import check_memory, map_slots, plane_of, slots_by_reads, writers_of

STATIC = Path(__file__).parent / "static"
N_WRITERS, N_READERS = 4, 6  # pictures of a slot, at most
COLUMNS = 16  # of the sheet of thumbnails
SIZES = ((64, 75), (56, 70), (48, 65), (40, 60), (32, 55), (24, 50))  # px, JPEG quality


def show_slots(
    memory: Memory,
    retrieval: Retrieval,
    train_frames: Int[np.ndarray, "N"],
    train_pictures: UInt8[np.ndarray, "N S S 3"],
    asked_pictures: UInt8[np.ndarray, "T S S 3"],
    values: Float[np.ndarray, "_"],
    label: str,
    max_kb: float = 60,
) -> None:
    """Show the memory's slots as a map; a slot shows its writers' and its readers' frames.

    Args:
        memory: memory of a trained refiner.
        retrieval: answers to the queried frames, from `retrieve_identity` with all of them looked
            up.
        train_frames: frame numbers of the training frames.
        train_pictures: pictures of the training frames.
        asked_pictures: pictures of the queried frames.
        values: (N,) values of the training frames, such as yaw in degrees; a slot's colour shows
            their mean over its writers.
        label: what the values are, with a unit.
        max_kb: limit of the thumbnails; they become smaller until they fit.
    Raises:
        ParameterError: the memory is empty. ShapeError: values, frames and pictures of the training
            that do not fit each other.
    """
    check_memory(memory, retrieval, train_frames, train_pictures)
    check_shape("asked_pictures", asked_pictures, ("T", "S", "S", 3))
    check_shape("values", np.asarray(values), (len(train_frames),))
    facts, written, read = slot_facts(memory, retrieval, train_frames, values)
    cells = np.concatenate([train_pictures[written], asked_pictures[read]])
    sheet, size_px = thumbnail_sheet(cells, max_kb)
    facts |= {"label": label, "size": size_px, "columns": COLUMNS}
    figure = map_slots(memory, retrieval, train_frames, train_pictures, values, label)
    alt = (
        f"Map of the memory's {len(facts['slots'])} used slots, in the colour of {label}, and "
        f"the cosine of {len(facts['asked'])} held-out frames to their nearest key."
    )
    still = picture_html(*small_picture(figure, alt))
    import matplotlib.pyplot as plt

    plt.close(figure)
    show_html(slot_html(facts, sheet, still), alt)


def slot_facts(
    memory: Memory,
    retrieval: Retrieval,
    train_frames: Int[np.ndarray, "N"],
    values: Float[np.ndarray, "N"],
) -> tuple[dict[str, Any], Int[np.ndarray, "W"], Int[np.ndarray, "R"]]:
    """What the map shows, as plain numbers for its script.

    Returns:
        facts: slots (most read first; x, y, colour, writes, and the writers' and readers' places on
            the sheet with frame numbers or cosines), asked frames (number, cosine, place of the
            slot), and the axes' shares of the variance.
        written: rows of the training pictures on the sheet.
        read: rows of the queried pictures on the sheet.
    """
    order = slots_by_reads(memory, retrieval)
    place, share = plane_of(memory.keys[order].cpu().numpy())
    writers = [writers_of(memory, slot, train_frames) for slot in order]
    readers = []
    for slot in order:
        rows = np.flatnonzero(retrieval.slots == slot)
        readers.append(rows[np.argsort(-retrieval.similarity[rows], kind="stable")])
    written = np.unique(np.concatenate([rows[:N_WRITERS] for rows in writers]))
    shown = np.unique(np.concatenate([rows[:N_READERS] for rows in readers]))
    cell = {int(row): k for k, row in enumerate(written)}
    asked_cell = {int(row): len(written) + k for k, row in enumerate(shown)}
    colour = [float(np.mean(np.asarray(values)[rows])) if len(rows) else None for rows in writers]
    slots = [
        {
            "slot": int(slot), "x": round(float(x), 4), "y": round(float(y), 4),
            "colour": None if tone is None else round(tone, 2), "reads": len(read),
            "writes": int(memory.writes[slot]),
            "writers": [[cell[int(r)], int(train_frames[r])] for r in wrote[:N_WRITERS]],
            "readers": [[asked_cell[int(r)], round(float(retrieval.similarity[r]), 3)]
                        for r in read[:N_READERS]],
        }
        for slot, (x, y), tone, wrote, read in zip(order, place, colour, writers, readers)
    ]  # fmt: skip
    rank = {int(slot): k for k, slot in enumerate(order)}
    asked = [
        [int(frame), round(float(cosine), 4), rank[int(slot)]]
        for frame, cosine, slot in zip(retrieval.frames, retrieval.similarity, retrieval.slots)
    ]
    facts = {"slots": slots, "asked": asked, "share": [round(100 * float(s)) for s in share]}
    return facts, written, retrieval.frames[shown]


def thumbnail_sheet(pictures: UInt8[np.ndarray, "N S S 3"], max_kb: float) -> tuple[bytes, int]:
    """Pictures next to each other in one JPEG file, as large as they fit.

    Args:
        pictures: the pictures.
        max_kb: limit of the file in base64.
    Returns:
        The file, and the side of a thumbnail in px.
    """
    for size_px, quality in SIZES:
        rows = -(-len(pictures) // COLUMNS)
        sheet = np.full((rows * size_px, COLUMNS * size_px, 3), 255, np.uint8)
        for k, picture in enumerate(pictures):
            y, x = size_px * (k // COLUMNS), size_px * (k % COLUMNS)
            small = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)
            sheet[y : y + size_px, x : x + size_px] = small
        data = jpeg_bytes(sheet, quality)
        if len(data) * 4 / 3 <= 1000 * max_kb:
            break
    return data, size_px


def slot_html(facts: Mapping[str, Any], sheet: bytes, still: str) -> str:
    """HTML of the map: a drawing for viewers without scripts, the facts, and the script."""
    files = [(STATIC / f"slot_map.{kind}").read_text(encoding="utf-8") for kind in ("js", "css")]
    script, style = ("\n".join(line.strip() for line in text.splitlines()) for text in files)
    shown = {**facts, "sheet": data_url(sheet, "image/jpeg")}
    text = json.dumps(shown, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return (
        f'<div class="tfhkit-slotmap"><style>{style}</style><div class="still">{still}</div>'
        f'<script type="application/json" class="facts">{text}</script>'
        f"<script>{script}</script></div>"
    )
