"""The memory as a map that shows its frames: choose a slot, see who wrote it and who read it.

The output is HTML that carries its pictures and its script. It needs no kernel: it works in
JupyterLab and in an exported page. Where no script runs, a drawing of the same map is left.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from tfhkit.errors import check_shape
from tfhkit.media import jpeg_bytes
from tfhkit.teach.display import data_url, picture_html, show_html
from tfhkit.teach.hover import small_picture
from tfhkit.teach.slots import check_memory, map_slots, plane_of, slots_by_reads, writers_of

STATIC = Path(__file__).parent / "static"
N_WRITERS, N_READERS = 4, 6  # pictures of a slot, at most
COLUMNS = 16  # of the sheet of thumbnails
SIZES = ((64, 75), (56, 70), (48, 65), (40, 60), (32, 55), (24, 50))  # px, JPEG quality


def show_slots(
    memory, retrieval, train_frames, train_pictures, asked_pictures, values, label, max_kb=60
):
    """Show the memory's slots as a map; a slot shows its writers' and its readers' frames.

    Args:
        memory: Memory of a trained refiner.
        retrieval: Retrieval of the asked frames, from `retrieve_identity` that looked all up.
        train_frames: (N,) frame numbers of the training.
        train_pictures: (N, S, S, 3) uint8. asked_pictures: (T, S, S, 3) uint8.
        values: (N,) of the training frames, such as yaw in degrees: a slot has the colour of its
            writers' mean. label: what they are, with a unit.
        max_kb: of the thumbnails; they become smaller until they fit.
    Raises:
        ParameterError: the memory is empty. ShapeError.
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


def slot_facts(memory, retrieval, train_frames, values):
    """What the map shows, as plain numbers for its script.

    Returns:
        facts: dict of slots (most read first; x, y, colour, writes, and places on the sheet with
            frame numbers or cosines), asked frames, and the axes' shares of variance.
        written: rows of the training pictures on the sheet. read: rows of the asked ones.
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


def thumbnail_sheet(pictures, max_kb):
    """Pictures side by side in one JPEG, as large as they fit.

    Args:
        pictures: (N, S, S, 3) uint8. max_kb: of the JPEG as base64.
    Returns:
        bytes, side of a thumbnail in px.
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


def slot_html(facts, sheet, still):
    """HTML of the map: a drawing for viewers without scripts, the facts, and the script."""
    files = [(STATIC / f"slot_map.{kind}").read_text(encoding="utf-8") for kind in ("js", "css")]
    script, style = ("\n".join(line.strip() for line in text.splitlines()) for text in files)
    text = json.dumps(facts | {"sheet": data_url(sheet, "image/jpeg")}, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return (
        f'<div class="tfhkit-slotmap"><style>{style}</style><div class="still">{still}</div>'
        f'<script type="application/json" class="facts">{text}</script>'
        f"<script>{script}</script></div>"
    )
