"""Pasting into the full frame, and identity features on a real portrait."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from tfhkit.errors import InputError, ShapeError
from tfhkit.fit.crop import Crop
from tfhkit.landmarks.identity import align_arcface, identity_features
from tfhkit.media import Clip
from tfhkit.refine import Refined
from tfhkit.refine.paste import (
    full_frames,
    label_band,
    paste_alpha,
    write_side_by_side,
    write_talking_head,
)

SIZE = 64


def disc(radius=16, down=0):
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.uint8(255 * ((x - 32) ** 2 + (y - 32 - down) ** 2 < radius**2))


def test_alpha_is_whole_on_the_region_soft_outside_and_zero_at_the_border():
    alpha = paste_alpha(disc())
    assert alpha[disc(14) > 0].min() > 0.99
    assert alpha[[0, -1]].max() == 0 and alpha[:, [0, -1]].max() == 0
    assert alpha[8, 8] == 0
    assert np.abs(np.diff(alpha, axis=0)).max() < 0.5  # no seam
    everywhere = paste_alpha(np.full((SIZE, SIZE), 255, np.uint8))
    assert everywhere[0].max() == 0 and everywhere[32, 32] == 1


def test_attention_widens_the_region_only_near_it():
    attention = np.ones((SIZE, SIZE), np.float32)
    attention[28:36, 46:52] = 0  # painted beside the face
    attention[2:6, 2:6] = 0  # a speck in the corner
    plain, wide = paste_alpha(disc()), paste_alpha(disc(), attention)
    assert wide[32, 51] > 0.8 > 0.3 > plain[32, 51]
    assert wide[4, 4] == 0


def test_the_ring_around_the_rendering_keeps_the_frame():
    face, ring = disc(16), disc(19)
    attention = np.full((SIZE, SIZE), 0.0, np.float32)  # the net may have painted there
    around = (disc(21) > 0) & (disc(19) == 0)
    assert paste_alpha(ring, attention)[around].min() > 0.5
    tight = paste_alpha(ring, attention, mask=face)
    assert tight[around].max() < 0.05
    assert tight[face > 0].min() > 0.75 and tight[disc(14) > 0].min() > 0.99


def test_a_chin_that_looks_out_below_the_rendering_is_pasted_over():
    face, chin = disc(16), disc(16, down=6)
    region = np.maximum(disc(19), disc(19, down=6))
    alpha = paste_alpha(region, mask=face)
    assert alpha[(chin > 0) & (face == 0)].min() > 0.99
    assert alpha[12, 32] < 0.05  # above the forehead there is only the ring


class Still(Clip):
    """A clip of one grey picture, 8 times."""

    def __init__(self):
        silence = np.zeros(5120, np.float32)
        super().__init__(Path("still.mp4"), "", np.arange(8) / 25, 120, 160, 25.0, silence)

    def reader(self):
        return nullcontext(np.full((8, 120, 160, 3), 100, np.uint8))


def finished(pictures, region, frames):
    """Refined frames with the rendering all over the region."""
    kept = np.zeros_like(region)
    return Refined(np.arange(len(pictures)) / 25, np.array(frames), pictures, kept, region, region)


def test_full_frames_change_the_face_alone():
    crop = Crop(2.0, -80.0, -40.0)  # the 224 px crop shows 112 px from (40, 20)
    refined = np.full((3, SIZE, SIZE, 3), 200, np.uint8)
    masks = np.stack([disc()] * 3)
    frames = list(full_frames(Still(), crop, [finished(refined, masks, [0, 1, 1])]))
    assert (frames[2] != 100).any()
    assert len(frames) == 3 and frames[0].shape == (120, 160, 3)
    row, column = 20 + 56, 40 + 56
    assert (frames[0][row, column] == 200).all()
    assert (frames[0][:10] == 100).all() and (frames[0][:, :30] == 100).all()


def test_videos(tmp_path):
    av = pytest.importorskip("av")
    crop = Crop(2.0, -80.0, -40.0)
    refined = np.full((8, SIZE, SIZE, 3), 200, np.uint8)
    region = np.stack([disc()] * 8)
    sound = np.sin(np.arange(16000 * 8 // 25) / 20).astype(np.float32) * 0.1
    told = []
    parts = [
        finished(refined[:5], region[:5], range(5)),
        finished(refined[5:], region[5:], [5, 6, 7]),
    ]
    path = write_talking_head(
        tmp_path / "head.mp4",
        full_frames(Still(), crop, parts),
        np.arange(8) / 25,
        sound,
        progress=lambda *a: told.append(a),
    )
    with av.open(str(path)) as video:
        assert len(list(video.decode(video=0))) == 8
        assert video.streams.audio and "ynthetic" in str(video.metadata)
    assert told[-1][:2] == (8, 8)
    columns = {"real": refined, "coarse": refined // 2, "refined": refined}
    path = write_side_by_side(tmp_path / "side.mp4", columns, 25.0, panel_px=100)
    with av.open(str(path)) as video:
        frame = next(video.decode(video=0))
        assert (frame.width, frame.height) == (3 * 128, 128 + 24)


def test_wrong_lengths(tmp_path):
    with pytest.raises(ShapeError, match="attention: expected shape"):
        paste_alpha(disc(), np.ones((8, 8)))
    with pytest.raises(ShapeError, match="mask: expected shape"):
        paste_alpha(disc(), mask=np.ones((8, 8)))
    refined = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(ShapeError, match="coarse: expected shape"):
        write_side_by_side(tmp_path / "x.mp4", {"real": refined, "coarse": refined[:2]}, 25)


def test_label_fits():
    assert label_band("refined", 128).shape == (24, 128, 3) and label_band("a", 64).max() > 200


@pytest.fixture(scope="module")
def portrait():
    """A real face: scikit-image's astronaut, cut out, with dlib's landmarks."""
    dlib = pytest.importorskip("dlib")
    from importlib.util import find_spec

    from skimage.data import astronaut

    image = np.ascontiguousarray(astronaut()[:224, 112:336])
    folder = Path(find_spec("face_recognition_models").submodule_search_locations[0]) / "models"
    shape = dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))
    box = dlib.get_frontal_face_detector()(image, 1)[0]
    points = [[p.x + 0.5, p.y + 0.5] for p in shape(image, box).parts()]
    return image, np.array(points, np.float32)


def test_identity_holds_against_light_but_not_against_a_hidden_face(portrait):
    image, points = portrait
    darker = (image * 0.8).astype(np.uint8)
    blot = image.copy()
    x, y = points[27:].mean(0).astype(int)
    blot[y - 60 : y + 60, x - 60 : x + 60] = 128
    images = np.stack([image, darker, blot, image])
    marks = np.stack([points] * 4)
    marks[3] = np.nan
    result = identity_features(images, marks, "dlib")
    assert result.found.tolist() == [True, True, True, False] and result.n_skipped == 1
    assert np.allclose(np.linalg.norm(result.features[:3], axis=1), 1, atol=1e-5)
    cosine = result.features[:3] @ result.features[0]
    assert cosine[1] > 0.97 and cosine[2] < result.encoder.same_person
    sparse = identity_features(images[[0, 1, 2, 2, 2]], np.stack([points] * 5), "dlib", every=2)
    assert np.allclose(sparse.features[[0, 2]], result.features[[0, 2]], atol=1e-6)
    middle = result.features[0] + result.features[2]
    assert np.allclose(sparse.features[1], middle / np.linalg.norm(middle), atol=1e-5)
    with pytest.raises(InputError, match="no frame shows a face"):
        identity_features(images[3:], marks[3:], "dlib")


def test_arcface_alignment_puts_points_where_they_belong(portrait):
    image, points = portrait
    marked = np.zeros_like(image)
    x, y = points[30].round().astype(int)
    marked[y - 3 : y + 3, x - 3 : x + 3] = 255
    spot = np.argwhere(align_arcface(marked, points)[..., 0] > 128).mean(0)[::-1] + 0.5
    assert np.abs(spot - [56.0, 71.7]).max() < 6  # a portrait is no mean face
