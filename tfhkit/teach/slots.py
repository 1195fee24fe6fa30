"""What lies in the memory: a map of its slots, and who wrote and read them."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure

from tfhkit.errors import ParameterError, check_shape
from tfhkit.refine import Memory, Retrieval

MAP = "cividis"


def map_slots(
    memory: Memory,
    retrieval: Retrieval,
    train_frames: Int[np.ndarray, "_"],
    train_pictures: UInt8[np.ndarray, "N S S 3"],
    values: Float[np.ndarray, "_"] | None = None,
    label: str = "",
    n_thumbnails: int = 16,
) -> Figure:
    """Draw all used slots: their keys in a plane, and how close the queried frames are to them.

    Args:
        memory: memory of a trained refiner.
        retrieval: answers to the queried frames; from `retrieve_identity` with all frames looked
            up it has every frame, otherwise the knots alone.
        train_frames: (N,) frame numbers of the training frames.
        train_pictures: real frames or renderings of the training frames.
        values: (N,) values of the training frames, such as yaw in degrees; a slot's colour shows
            their mean over its writers. None colours by the number of reads.
        label: what the values are, with a unit, for the colour bar.
        n_thumbnails: most pictures on the map; those that would overlap are left out.
    Returns:
        Two panels: the keys in the plane of their first two principal components (larger dots are
        read more; crosses and dashed borders are not read), and the cosine of query and nearest key
        for every queried frame, in the colour of the slot that answered.
    Raises:
        ParameterError: the memory is empty. ShapeError: values, frames and pictures of the training
            that do not fit each other.
    """
    import matplotlib.pyplot as plt

    check_memory(memory, retrieval, train_frames, train_pictures)
    used = np.flatnonzero(memory.used.cpu().numpy())
    reads = np.bincount(retrieval.slots, minlength=len(memory.used))
    colour = reads.astype(float)
    if values is not None:
        check_shape("values", values, (len(train_frames),))
        colour = _means_of_writers(memory, train_frames, values)
    place, share = plane_of(memory.keys[used].cpu().numpy())
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.3), width_ratios=(1.25, 1), layout="constrained"
    )
    norm = plt.Normalize(np.nanmin(colour[used]), np.nanmax(colour[used]))
    look = {"cmap": MAP, "norm": norm}
    dots = _draw_keys(left, place, share, reads, used, colour[used], look)
    for k in _apart(place, reads[used], n_thumbnails):
        rows = writers_of(memory, used[k], train_frames)
        if len(rows):
            rim = plt.get_cmap(MAP)(norm(colour[used[k]]))
            _pin(left, place[k], train_pictures[rows[0]], rim, dashed=reads[used[k]] == 0)
    right.plot(retrieval.frames, retrieval.similarity, color="0.8", lw=0.8, zorder=1)
    right.scatter(
        retrieval.frames, retrieval.similarity, c=colour[retrieval.slots], s=14, zorder=2, **look
    )
    right.set(xlabel="asked frame", ylabel="cosine", title="nearest key of each held-out frame")
    figure.colorbar(dots, ax=right, label=label if values is not None else "reads of the slot")
    return figure


def _means_of_writers(memory, train_frames, values):
    """(slots,) mean of the values over the writers of each slot; NaN where there are none."""
    means = np.full(len(memory.used), np.nan)
    for slot in np.flatnonzero(memory.used.cpu().numpy()):
        rows = writers_of(memory, slot, train_frames)
        means[slot] = np.mean(values[rows]) if len(rows) else np.nan
    return means


def _draw_keys(axis, place, share, reads, used, colour, look):
    """Dots for the keys that are read, crosses for the others; returns the dots."""
    silent = reads[used] == 0
    axis.scatter(*place[silent].T, c=colour[silent], s=20, marker="x", lw=1.2, **look)
    size = 14 + 130 * reads[used] / max(reads.max(), 1)
    edge = {"lw": 0.4, "ec": "k"}
    dots = axis.scatter(*place[~silent].T, c=colour[~silent], s=size[~silent], **edge, **look)
    axis.set(
        xlabel=f"1st principal component ({100 * share[0]:.0f} %)",
        ylabel=f"2nd ({100 * share[1]:.0f} %)",
        title=f"{len(used)} of {len(reads)} slots used, {(~silent).sum()} read",
    )
    axis.margins(0.12)
    return dots


def slots_by_reads(memory: Memory, retrieval: Retrieval) -> Int[np.ndarray, "K"]:
    """Numbers of the used slots, most read first."""
    used = np.flatnonzero(memory.used.cpu().numpy())
    reads = np.bincount(retrieval.slots, minlength=len(memory.used))
    return used[np.argsort(-reads[used], kind="stable")]


def writers_of(
    memory: Memory, slot: int | np.integer, train_frames: Int[np.ndarray, "N"]
) -> Int[np.ndarray, "K"]:
    """Rows of the training frames that last wrote a slot, newest first."""
    rows = {int(number): row for row, number in enumerate(train_frames)}
    numbers = memory.writers[int(slot)].tolist()
    return np.array([rows[number] for number in numbers if number in rows], np.int64)


def check_memory(
    memory: Memory,
    retrieval: Retrieval,
    train_frames: Int[np.ndarray, "_"],
    train_pictures: UInt8[np.ndarray, "N S S 3"],
) -> None:
    """Check that there is something to draw.

    Raises:
        ParameterError: the memory is empty, or nothing was looked up. ShapeError: not one frame
            number for each training picture.
    """
    check_shape("train_pictures", train_pictures, ("N", "S", "S", 3))
    check_shape("train_frames", train_frames, (len(train_pictures),))
    if not bool(memory.used.any()):
        raise ParameterError("memory", "no slot was ever written", "train the refiner first")
    if not len(retrieval.slots):
        fault = "nothing was looked up"
        raise ParameterError("retrieval", fault, "use a refiner with identity='memory'")


def plane_of(
    keys: Float[np.ndarray, "K D"],
) -> tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "2"]]:
    """Keys in the plane of their first two principal components, and its shares of the variance."""
    centred = keys - keys.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    place = np.zeros((len(keys), 2))
    place[:, : min(2, len(s))] = u[:, :2] * s[:2]
    share = np.zeros(2)
    share[: min(2, len(s))] = s[:2] ** 2 / max(float((s**2).sum()), 1e-12)
    return place, share


def _apart(place, reads, n):
    """Slots whose pictures do not overlap on the map, those that are read more first."""
    size = np.array([0.16, 0.21]) * np.maximum(np.ptp(place, axis=0), 1e-9)
    shown = []
    for k in np.argsort(-reads, kind="stable"):
        free = all((np.abs(place[k] - place[other]) > size).any() for other in shown)
        if free and len(shown) < n:
            shown.append(k)
    return shown


def _pin(axis, at, picture, colour, dashed):
    """Put a small picture over a point."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(picture, zoom=34 / picture.shape[0])
    box = AnnotationBbox(image, at, (0, 0), boxcoords="offset points", pad=0.12)
    box.patch.set(
        edgecolor=colour, linewidth=1.5 if dashed else 3, linestyle="--" if dashed else "-"
    )
    axis.add_artist(box)
