"""The memory network of Sec. 3.4: spatial features as keys, identity features as values."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from tfhkit.errors import ParameterError, check_shape

WRITERS = 8  # frames that a slot remembers


@dataclass(frozen=True)
class MemoryConfig:
    """Size and thresholds of the memory; saved with its tables.

    Args:
        slots: number of pairs; 30,000 in the published code (over all identities). A clip
            of a few hundred frames of one person needs a few dozen.
        key_dim: length of the keys.
        feature_dim: length of the spatial features that queries are made from; 512 for ResNet18's
            pool5.
        value_dim: length of the identity features.
        top_k: number of nearest slots that the triplet loss looks at; 256 in the published code.
        margin: margin of the triplet loss; 0.3 in the published code.
        match: two identity features with a higher cosine count as the same; depends on the
            identity encoder (0.98 for ArcFace in the published code).
    """

    slots: int = 256
    key_dim: int = 512
    value_dim: int = 128
    top_k: int = 64
    margin: float = 0.3
    match: float = 0.98
    feature_dim: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= self.slots:
            raise ParameterError(
                "top_k", f"{self.top_k} nearest of {self.slots} slots", "give slots >= top_k >= 1"
            )
        if not self.margin >= 0:
            raise ParameterError("margin", f"{self.margin} is below 0", "use 0.3 or so")
        if not -1 < self.match < 1:
            fault = f"{self.match} is not a cosine between -1 and 1"
            raise ParameterError("match", fault, "use 0.98 for ArcFace, 0.99 for dlib")


class Memory(nn.Module):
    """Pairs (key, value), their ages, and the trainable layer that makes queries.

    All tables are buffers, so they are saved, resumed and moved with the module.
    `writers` holds the last different frames that wrote a slot, the newest first (-1: none; all
    -1: the slot is empty), `writes` how often it was written since it was replaced, `age` how
    many samples came since it was last written. `pool5_mean` and `pool5_std` are the mean and
    standard deviation of the spatial features (the paper's pool5) over the training frames.
    """

    keys: Float[Tensor, "M K"]
    values: Float[Tensor, "M D"]
    age: Int[Tensor, "M"]
    writers: Int[Tensor, "M 8"]
    writes: Int[Tensor, "M"]
    pool5_mean: Float[Tensor, "C"]
    pool5_std: Float[Tensor, "C"]

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.fc = nn.Linear(config.feature_dim, config.key_dim)
        self.register_buffer("keys", torch.zeros(config.slots, config.key_dim))
        self.register_buffer("values", torch.zeros(config.slots, config.value_dim))
        self.register_buffer("age", torch.zeros(config.slots, dtype=torch.int64))
        self.register_buffer("writers", torch.full((config.slots, WRITERS), -1))
        self.register_buffer("writes", torch.zeros(config.slots, dtype=torch.int64))
        self.register_buffer("pool5_mean", torch.zeros(config.feature_dim))
        self.register_buffer("pool5_std", torch.ones(config.feature_dim))

    @property
    def writer(self) -> Int[Tensor, "M"]:
        """The frame that wrote a slot last, -1 where it is empty."""
        return self.writers[:, 0]

    @property
    def used(self) -> Bool[Tensor, "M"]:
        """Slots that were written."""
        return self.writer >= 0

    def clear(self) -> None:
        """Empty all slots; the trained layer and the statistics of its input stay."""
        for table in (self.keys, self.values, self.age, self.writes):
            table.zero_()
        self.writers.fill_(-1)

    @torch.no_grad()
    def fit_input(self, pool5: Float[Tensor, "N C"]) -> None:
        """Standardise the queries' input by mean and standard deviation of `pool5` (N, C).

        Frames of one person give nearly the same spatial feature; without this every query has
        a cosine near 1 with every key.
        """
        check_shape("pool5", pool5, ("B", self.config.feature_dim))
        self.pool5_mean.copy_(pool5.mean(0))
        self.pool5_std.copy_(pool5.std(0, unbiased=False).clamp(min=1e-4))

    def query(self, pool5: Float[Tensor, "B C"]) -> Float[Tensor, "B K"]:
        """Spatial features (B, C) to unit queries (B, key_dim): FC, then normalisation."""
        check_shape("pool5", pool5, ("B", self.config.feature_dim))
        return F.normalize(self.fc((pool5 - self.pool5_mean) / self.pool5_std), dim=-1)

    def triplet_loss(
        self, query: Float[Tensor, "B K"], value: Float[Tensor, "_ D"]
    ) -> Float[Tensor, ""]:
        """Threshold triplet loss: queries near keys of the same identity, far from the others.

        Args:
            query: unit vectors, with gradient.
            value: unit vectors, identity features of the true frames.
        Returns:
            mean over the batch of max(0, best wrong - best right + margin), where right and
            wrong are looked for among the top_k nearest used slots; samples that find only one
            kind there do not count.
        Source: Yoo et al. 2019 (Coloring with limited data), paper Sec. 3.4, footnote 3.
        """
        check_shape("query", query, ("B", self.config.key_dim))
        check_shape("value", value, (query.shape[0], self.config.value_dim))
        similarity = query @ self.keys.T
        similarity = similarity.masked_fill(~self.used, -2.0)
        best, slot = similarity.topk(self.config.top_k, dim=-1)
        alike = (self.values[slot] * value[:, None]).sum(-1) > self.config.match
        there = best > -1.5
        right = best.masked_fill(~(alike & there), -2.0).amax(-1)
        wrong = best.masked_fill(alike | ~there, -2.0).amax(-1)
        counts = (right > -1.5) & (wrong > -1.5)
        hinge = F.relu(wrong - right + self.config.margin) * counts
        return hinge.sum() / counts.sum().clamp(min=1)

    @torch.no_grad()
    def update(
        self,
        query: Float[Tensor, "B K"],
        value: Float[Tensor, "_ D"],
        frame: ArrayLike | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "B"]:
        """Write a batch into the memory, one sample after the other.

        A sample whose nearest slot (by key) holds the same identity is folded into that slot:
        key = normalise(key + query), age 0. Otherwise the oldest slot is replaced (footnote 4);
        a little noise on the ages breaks ties at random. Two samples of a batch that meet in one
        slot act as if they had come one by one; no sample replaces what another one of its batch
        wrote while there is another slot.

        Args:
            query: unit vectors.
            value: unit vectors.
            frame: (B,) frame numbers >= 0, remembered per slot; None counts as frame 0.
            generator: on the CPU, for the noise on the ages.
        Returns:
            the slot that each sample wrote.
        Raises:
            ShapeError: lengths differ.
        """
        check_shape("query", query, ("B", self.config.key_dim))
        check_shape("value", value, (query.shape[0], self.config.value_dim))
        frames = torch.zeros(len(query)) if frame is None else torch.as_tensor(frame)
        check_shape("frame", frames, (len(query),))
        device = self.keys.device
        frames = frames.long().to(device, non_blocking=True)
        noise = torch.rand(len(query), self.config.slots, generator=generator) * 8 - 4
        noise = noise.to(device, non_blocking=True)
        # No number is read back here, so that CUDA need not wait: choices are made with `where`,
        # and a slot is a tensor of length 1, which indexes without a look at its value.
        mine = torch.zeros(self.config.slots, dtype=torch.bool, device=device)
        written = [torch.zeros(0, dtype=torch.int64, device=device)]
        for q, v, number, own in zip(query.detach(), value, frames.split(1), noise):
            similarity = (self.keys @ q).masked_fill(~self.used, -2.0)
            slot = similarity.argmax(0, keepdim=True)
            alike = self.used[slot] & (self.values[slot][0] @ v > self.config.match)
            self.age += 1
            slot = torch.where(alike, slot, self._oldest(mine, own))
            key, value_there, row = self.keys[slot][0], self.values[slot][0], self.writers[slot]
            self.keys[slot] = torch.where(alike, F.normalize(key + q, dim=0), q)[None]
            self.values[slot] = torch.where(alike, value_there, v)[None]
            self.writes[slot] = torch.where(alike, self.writes[slot], 0) + 1
            self.writers[slot] = _newest_first(torch.where(alike, row, -1)[0], number)[None]
            self.age.index_fill_(0, slot, 0)
            mine.index_fill_(0, slot, True)
            written.append(slot)
        return torch.cat(written)

    def _oldest(self, mine: Bool[Tensor, "M"], noise: Float[Tensor, "M"]) -> Int[Tensor, "1"]:
        """An empty slot, else about the oldest that is not `mine`, the batch's own."""
        none, empty = self.config.slots, ~self.used
        number = torch.arange(none, device=empty.device)
        first_empty = torch.where(empty, number, none).amin(0, keepdim=True)
        by_age = (self.age + noise).masked_fill(mine, -torch.inf)
        by_age = torch.where(mine.all(), self.age, by_age).argmax(0, keepdim=True)
        return torch.where(empty.any(), first_empty, by_age)

    @torch.no_grad()
    def retrieve(
        self, query: Float[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B D"], Int[Tensor, "B"], Float[Tensor, "B"]]:
        """The identity feature of the nearest key (top 1).

        Args:
            query: unit vectors.
        Returns:
            values, slots, and cosines of query and key.
        Raises:
            ParameterError: the memory is empty.
        """
        check_shape("query", query, ("B", self.config.key_dim))
        if not bool(self.used.any()):
            raise ParameterError("memory", "no slot was ever written", "train the refiner first")
        similarity = (query @ self.keys.T).masked_fill(~self.used, -2.0)
        best, slot = similarity.max(-1)
        return self.values[slot], slot, best


def _newest_first(row: Int[Tensor, "W"], number: Int[Tensor, "1"]) -> Int[Tensor, "W"]:
    """Writers of a slot after frame `number` wrote it: each once, -1 where there are no more."""
    others = torch.where(row == number, -1, row)
    others = others[(others == -1).int().argsort(stable=True)]
    return torch.cat([number, others])[: len(row)]


def smooth_features(
    features: Float[Tensor, "T D"], times: ArrayLike, every_s: float = 1.0
) -> Float[Tensor, "T D"]:
    """Features taken every `every_s` seconds and interpolated in between (Sec. 3.4).

    What the memory returns jumps from slot to slot; without smoothing the generated face would
    flicker. The published code takes every 25th frame.

    Args:
        features: unit vectors.
        times: (T,) seconds, increasing.
        every_s: distance of the knots; 0 returns the features unchanged.
    Returns:
        unit vectors, equal to `features` at the knots.
    Raises:
        ParameterError: times that do not increase. ShapeError: not one time for each feature.
    """
    times = np.asarray(times, np.float64)
    check_shape("times", times, (len(features),))
    if not (np.diff(times) > 0).all():
        raise ParameterError("times", "do not increase", "give the seconds of frames in order")
    if every_s <= 0 or len(features) < 3:
        return features
    knots = knot_indices(times, every_s)
    seconds = torch.as_tensor(times, device=features.device)
    at = seconds[knots]
    right = torch.searchsorted(at, seconds).clamp(1, len(knots) - 1)
    span = (at[right] - at[right - 1]).clamp(min=1e-9)
    share = ((seconds - at[right - 1]) / span).clamp(0, 1).to(features.dtype)[:, None]
    chosen = features[knots]
    return F.normalize(torch.lerp(chosen[right - 1], chosen[right], share), dim=-1)


def knot_indices(times: Float[np.ndarray | Tensor, "T"], every_s: float) -> list[int]:
    """Frames at least `every_s` seconds apart, with the first and the last."""
    knots = [0]
    for i in range(1, len(times)):
        if times[i] - times[knots[-1]] >= every_s - 1e-6:
            knots.append(i)
    last = len(times) - 1
    if knots[-1] != last:
        if len(knots) > 1 and times[last] - times[knots[-1]] < every_s / 2:
            knots[-1] = last
        else:
            knots.append(last)
    return knots
