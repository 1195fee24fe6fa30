"""The general refiner on a portrait's frames: it only changes what the picture does not show.

The refiner was trained on faces that are drawn whole. Of a picture's own pixels it would make the
softer, more average ones of its training. So its answer counts where the frame shows the model's
colours: in the mouth, on lids, on a side that was turned away. And only its tone counts, because
a frame is sharper than the refiner's 128 or 256 px.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from tfhkit.camera import CROP_PX
from tfhkit.fit import Crop, Fit
from tfhkit.portrait.scene import Portrait
from tfhkit.refine.predict import refine, retrieve_identity
from tfhkit.refine.refiner import Refiner

BATCH = 16  # frames that are refined at once
TONE_DM = 0.04  # detail below this size is the frame's own
EDGE_DM = 0.02  # over which the refined tone fades in

Drawn = tuple[UInt8[np.ndarray, "S S 3"], Float[np.ndarray, "S S"]]


@dataclass(frozen=True, eq=False)
class HeadRefiner:
    """A refiner for the head of one portrait.

    Args:
        refiner: trained refiner.
        crop: from the window's pixels to the refiner's crop, as in its training.
        identity: what the memory holds for the picture.
        dm_px: pixels of the window in 1 dm.
    """

    refiner: Refiner
    crop: Crop
    identity: Float[Tensor, "1 D"]
    dm_px: float

    def refine(self, drawn: Iterable[Drawn]) -> Iterator[UInt8[np.ndarray, "S S 3"]]:
        """Refine frames in time order.

        Args:
            drawn: each frame, and where it shows the model's own colours, in [0, 1].
        """
        size, window = (
            getattr(self.refiner.config.generator, name) for name in ("size_px", "window")
        )
        before: list[UInt8[np.ndarray, "s s 3"]] = []  # frames that the generator sees as well
        frames = iter(drawn)
        while part := list(islice(frames, BATCH)):
            crops = [self.crop.image(frame, size) for frame, _ in part]
            seen = np.stack(before + crops)
            identity = self.identity.expand(len(seen), -1)
            answers = refine(self.refiner, seen, identity=identity)[0][len(before) :]
            before = list(seen[max(0, len(seen) - window + 1) :])
            for (frame, painted), crop, answer in zip(part, crops, answers, strict=True):
                yield self._toned(frame, painted, crop, answer)

    def _toned(self, frame, painted, crop, answer):
        """The frame with the answer's tone where the model's colours are shown."""
        if painted.max() < 0.02:
            return frame
        change = answer.astype(np.float32) - crop
        pixel_dm = CROP_PX / self.crop.scale / len(crop) / self.dm_px
        tone = cv2.GaussianBlur(change, (0, 0), max(0.5, TONE_DM / pixel_dm))
        everywhere = np.ones(tone.shape[:2], np.float32)
        black = np.zeros_like(frame)
        more, less = (
            self.crop.paste(black, part.clip(0, 255).astype(np.uint8), everywhere).astype(float)
            for part in (tone, -tone)
        )
        weight = cv2.GaussianBlur(painted, (0, 0), EDGE_DM * self.dm_px)
        weight = np.minimum(weight, painted)[..., None]
        mixed = frame + weight * (more - less)
        return np.rint(mixed.clip(0, 255)).astype(np.uint8)


def head_refiner(portrait: Portrait, fit: Fit, refiner: Refiner) -> HeadRefiner:
    """Make a refiner ready for a portrait.

    Args:
        portrait: whose frames are refined. fit: of its picture. refiner: general or personal.
    """
    zoom = portrait.view.size_px / CROP_PX
    scale = fit.crop.scale / (portrait.crop.scale * zoom)
    offset = fit.crop.offset - scale * zoom * portrait.crop.offset
    crop = Crop(float(scale), float(offset[0]), float(offset[1]))
    picture = crop.image(portrait.image, refiner.config.generator.size_px)
    identity = retrieve_identity(refiner, picture[None]).identity
    return HeadRefiner(refiner, crop, identity, portrait.dm_px)
