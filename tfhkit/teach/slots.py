"""What lies in the memory: a map of its slots, and who wrote and read them."""

import numpy as np

from tfhkit.errors import ParameterError, check_shape

MAP = "cividis"


def map_slots(
    memory, retrieval, train_frames, train_pictures, values=None, label="", n_thumbnails=16
):
    """Draw all used slots: their keys in a plane, and how close the queried frames are to them.

    Args:
        memory: Memory of a trained refiner.
        retrieval: Retrieval of the asked frames; from `retrieve_identity` that looked all up
            every frame is there, otherwise the knots alone.
        train_frames: (N,) frame numbers of the training.
        train_pictures: (N, S, S, 3) uint8, real frames or renderings.
        values: (N,) of the training frames, such as yaw in degrees: a slot has the colour of its
            writers' mean. None colours by the number of reads.
        label: what `values` are, for the colour bar.
        n_thumbnails: most pictures on the map; those that would overlap are left out.
    Returns:
        matplotlib Figure: the keys in the plane of their two first principal components (larger
        dots are read more; crosses and dashed borders are not read), and the cosine of query and
        nearest key for every asked frame, in the colour of the slot that answered.
    Raises:
        ParameterError: the memory is empty. ShapeError.
    """
    import matplotlib.pyplot as plt

    check_memory(memory, retrieval, train_frames, train_pictures)
    used = np.flatnonzero(memory.used.cpu().numpy())
    reads = np.bincount(retrieval.slots, minlength=len(memory.used))
    colour = reads.astype(float)
    if values is not None:
        check_shape("values", np.asarray(values), (len(train_frames),))
        colour = np.full(len(reads), np.nan)
        for slot in used:
            rows = writers_of(memory, slot, train_frames)
            colour[slot] = np.mean(np.asarray(values)[rows]) if len(rows) else np.nan
    place, share = plane_of(memory.keys[used].cpu().numpy())
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.3), width_ratios=(1.25, 1), layout="constrained"
    )
    norm = plt.Normalize(np.nanmin(colour[used]), np.nanmax(colour[used]))
    look = {"cmap": MAP, "norm": norm}
    silent, own = reads[used] == 0, colour[used]
    left.scatter(*place[silent].T, c=own[silent], s=20, marker="x", lw=1.2, **look)
    size = 14 + 130 * reads[used] / max(reads.max(), 1)
    dots = left.scatter(*place[~silent].T, c=own[~silent], s=size[~silent], lw=0.4, ec="k", **look)
    left.set(
        xlabel=f"1st principal component ({100 * share[0]:.0f} %)",
        ylabel=f"2nd ({100 * share[1]:.0f} %)",
        title=f"{len(used)} of {len(reads)} slots used, {(~silent).sum()} read",
    )
    left.margins(0.12)
    shown = _apart(place, reads[used], n_thumbnails)
    for k in shown:
        rows = writers_of(memory, used[k], train_frames)
        if len(rows):
            rim = plt.get_cmap(MAP)(norm(own[k]))
            _pin(left, place[k], train_pictures[rows[0]], rim, dashed=silent[k])
    right.plot(retrieval.frames, retrieval.similarity, color="0.8", lw=0.8, zorder=1)
    right.scatter(
        retrieval.frames, retrieval.similarity, c=colour[retrieval.slots], s=14, zorder=2, **look
    )
    right.set(xlabel="asked frame", ylabel="cosine", title="nearest key of each held-out frame")
    figure.colorbar(dots, ax=right, label=label if values is not None else "reads of the slot")
    return figure


def slots_by_reads(memory, retrieval):
    """Numbers of the used slots, most read first: (K,) int64."""
    used = np.flatnonzero(memory.used.cpu().numpy())
    reads = np.bincount(retrieval.slots, minlength=len(memory.used))
    return used[np.argsort(-reads[used], kind="stable")]


def writers_of(memory, slot, train_frames):
    """Rows of the training frames that last wrote a slot, newest first: (K,) int64."""
    rows = {int(number): row for row, number in enumerate(train_frames)}
    numbers = memory.writers[int(slot)].tolist()
    return np.array([rows[number] for number in numbers if number in rows], np.int64)


def check_memory(memory, retrieval, train_frames, train_pictures):
    """Refuse a memory in which there is nothing to see."""
    check_shape("train_pictures", train_pictures, ("N", "S", "S", 3))
    check_shape("train_frames", np.asarray(train_frames), (len(train_pictures),))
    if not bool(memory.used.any()):
        raise ParameterError("memory", "no slot was ever written", "train the refiner first")
    if not len(retrieval.slots):
        fault = "nothing was looked up"
        raise ParameterError("retrieval", fault, "use a refiner with identity='memory'")


def plane_of(keys):
    """Keys (K, D) in the plane of their principal components: (K, 2), and its shares (2,)."""
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
    """A small picture over a point."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(picture, zoom=34 / picture.shape[0])
    box = AnnotationBbox(image, at, (0, 0), boxcoords="offset points", pad=0.12)
    box.patch.set(
        edgecolor=colour, linewidth=1.5 if dashed else 3, linestyle="--" if dashed else "-"
    )
    axis.add_artist(box)
