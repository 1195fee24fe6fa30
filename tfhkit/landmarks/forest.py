"""dlib's regression forest for 68 landmarks, read from its file and evaluated for several boxes.

dlib waits for memory in each of its 7500 trees, and does so anew for every box. Here the trees are
packed, the leaves of a level are known before they are added, and the boxes take turns in a level.
The answers are dlib's, but for its rounding to whole pixels, both of what it reads and of what it
answers: without it, points are calmer.

Source: Kazemi and Sullivan 2014; the layout of the file and of the trees is dlib's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

from tfhkit.jit import compiled

N_POINTS, DEPTH = 68, 4
N_SPLITS, N_LEAVES = 2**DEPTH - 1, 2**DEPTH
LEAF_SIZE = 2 + 4 * N_POINTS  # numbers in the file: its size, and two for each coordinate
TREE_SIZE = 2 + 4 * N_SPLITS + N_LEAVES * LEAF_SIZE
ZERO, HALF = np.float32(0), np.float32(0.5)


@dataclass(frozen=True)
class Forest:
    """A cascade of levels, each of as many trees; shapes are in a box from 0 to 1.

    Args:
        mean: the shape to begin with.
        anchors, deltas: of the pixels that a level compares, the nearest landmark and the way from
            it in the mean shape.
        pairs, thresholds: the two pixels whose difference a split compares with a threshold.
        leaves: what a leaf adds to the shape.
    """

    mean: Float[np.ndarray, "68 2"]
    anchors: Int[np.ndarray, "levels pixels"]
    deltas: Float[np.ndarray, "levels pixels 2"]
    pairs: UInt16[np.ndarray, "levels trees splits 2"]
    thresholds: Float[np.ndarray, "levels trees splits"]
    leaves: Float[np.ndarray, "levels trees leaves 136"]

    def find(
        self, grey: UInt8[np.ndarray, "H W"], boxes: Float[np.ndarray, "n 4"]
    ) -> Float[np.ndarray, "n 68 2"]:
        """The landmarks in some boxes of a picture, px; pixel centres at +0.5.

        Args:
            grey: the picture, a face of which should be about as large as those that the forest
                learned from, or smaller. boxes: x0, y0, x1, y1.
        """
        trees = self.anchors, self.deltas, self.pairs, self.thresholds, self.leaves
        shapes = _shapes(grey, boxes.astype(np.float32), self.mean, *trees)
        return boxes[:, None, :2] + (boxes[:, None, 2:] - boxes[:, None, :2]) * shapes


def read_forest(path: Path) -> Forest:
    """Read dlib's file: all of it is whole numbers, and a float is a mantissa and an exponent."""
    data, at = np.memmap(path, np.uint8, "r"), 0

    def take(*shape):
        nonlocal at
        numbers = np.empty(shape, np.int32)
        at = _unpack(data, at, numbers.reshape(-1))
        return numbers

    def lists(*shape):
        """As many lists as the next number says, each after its length."""
        for _ in range(take()):
            yield take(take(), *shape)

    take(3)  # version, and the mean shape's size
    mean = _floats(take(N_POINTS, 2, 2))
    levels = [_trees(numbers) for numbers in lists(TREE_SIZE)]
    pairs, thresholds, leaves = (np.stack(parts) for parts in zip(*levels))
    anchors = np.stack(list(lists()))
    deltas = np.stack([_floats(numbers) for numbers in lists(2, 2)])
    return Forest(mean, anchors, deltas, pairs, thresholds, leaves)


def _trees(numbers):
    """Pairs, thresholds and leaves of a level from its numbers (trees, TREE_SIZE)."""
    splits, leaves = numbers[:, 1 : 1 + N_SPLITS * 4], numbers[:, 2 + N_SPLITS * 4 :]
    splits = splits.reshape(-1, N_SPLITS, 4)
    leaves = leaves.reshape(-1, N_LEAVES, LEAF_SIZE)[..., 2:].reshape(-1, N_LEAVES, 2 * N_POINTS, 2)
    return splits[..., :2].astype(np.uint16), _floats(splits[..., 2:]), _floats(leaves)


def _floats(numbers):
    return np.ldexp(numbers[..., 0].astype(np.float32), numbers[..., 1])


@compiled
@no_type_check
def _unpack(data, at, numbers):
    """Fill with numbers packed as a byte of count and sign, then the bytes, lowest first."""
    for n in range(len(numbers)):
        size, negative = data[at] & 15, data[at] & 128
        value = 0
        for k in range(size):
            value |= np.int64(data[at + 1 + k]) << (8 * k)
        numbers[n] = -value if negative else value
        at += 1 + size
    return at


@compiled
@no_type_check
def _shapes(grey, boxes, mean, anchors, deltas, pairs, thresholds, leaves):
    """(n, 68, 2) float32: the shape in each box."""
    n_levels, n_trees = thresholds.shape[:2]
    shapes = np.empty((len(boxes), len(mean), 2), np.float32)
    shapes[:] = mean
    leaf = np.empty(n_trees, np.int64)
    for level in range(n_levels):
        for k in range(len(boxes)):
            seen = _pixels(grey, boxes[k], shapes[k], mean, anchors[level], deltas[level])
            for tree in range(n_trees):
                node = 0
                for _ in range(DEPTH):
                    a, b = pairs[level, tree, node]
                    higher = seen[a] - seen[b] > thresholds[level, tree, node]
                    node = 2 * node + 2 - higher
                leaf[tree] = node - N_SPLITS
            shape = shapes[k].reshape(-1)
            for tree in range(n_trees):
                change = leaves[level, tree, leaf[tree]]
                for i in range(len(shape)):
                    shape[i] += change[i]
    return shapes


@compiled
@no_type_check
def _pixels(grey, box, shape, mean, anchors, deltas):
    """The grey levels that are compared, between pixels; outside, those of the picture's edge."""
    cos, sin = _similarity(mean, shape)
    last_row, last_column = grey.shape[0] - 1, grey.shape[1] - 1
    seen = np.empty(len(anchors), np.float32)
    for i in range(len(anchors)):
        dx, dy = deltas[i]
        x, y = shape[anchors[i]]
        x = box[0] + (box[2] - box[0]) * (x + cos * dx - sin * dy) - HALF
        y = box[1] + (box[3] - box[1]) * (y + sin * dx + cos * dy) - HALF
        x = min(x, last_column) if x > 0 else ZERO
        y = min(y, last_row) if y > 0 else ZERO
        column, row = int(x), int(y)
        right, below = min(column + 1, last_column), min(row + 1, last_row)
        x, y = x - column, y - row
        above = grey[row, column] * (1 - x) + grey[row, right] * x
        seen[i] = above * (1 - y) + (grey[below, column] * (1 - x) + grey[below, right] * x) * y
    return seen


@compiled
@no_type_check
def _similarity(mean, shape):
    """Scale times cosine and sine of the similarity that fits one shape best to the other."""
    n = len(mean)
    a = mean - np.sum(mean, axis=0) / np.float32(n)
    b = shape - np.sum(shape, axis=0) / np.float32(n)
    size = np.sum(a * a)
    cos = np.sum(a * b) / size
    sin = np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / size
    return np.float32(cos), np.float32(sin)
