"""A head that turns under the mouse, in one of several colourings, and pictures of the same."""

from dataclasses import dataclass

import numpy as np
import torch

from tfhkit.camera import Camera
from tfhkit.errors import ParameterError, check_shape
from tfhkit.face import load_model
from tfhkit.face.lighting import with_ambient
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.teach.decimate import decimate
from tfhkit.teach.hover import FAINT, house_layout, packed

UNITS_PER_DM = 10_000  # places are stored in hundredths of a millimetre
NECK_DM, NECK_SLOPE = -1.24, -0.38  # the head ends at y = NECK_DM + NECK_SLOPE z
N_SKIN = 16  # tones of the skin
UNSEEN = "#BDBDBD"
CIVIDIS = "cividis"


@dataclass(frozen=True)
class Colouring:
    """One number for each vertex, and what it means.

    Args:
        values: (V,) numbers; NaN is drawn in grey.
        label: what they are, with a unit, for the colour bar.
        palette: name of a matplotlib colour map, or (K, 3) colours in [0, 1] without a bar.
    """

    values: np.ndarray
    label: str
    palette: object = CIVIDIS


def skin_colours(albedo):
    """The head's own colours as a Colouring: a scale of tones from the darkest to the lightest.

    Args:
        albedo: (V, 3) RGB in about [0, 1].
    """
    albedo = np.asarray(albedo, np.float64).clip(0, 1)
    light = albedo @ [0.299, 0.587, 0.114]
    edges = np.linspace(light.min(), light.max() + 1e-9, N_SKIN + 1)
    tone = np.searchsorted(edges, light, side="right") - 1
    centres = (edges[1:] + edges[:-1]) / 2
    held = np.unique(tone)
    means = np.array([albedo[tone == k].mean(0) for k in held])
    palette = np.stack([np.interp(centres, centres[held], part) for part in means.T], 1)
    return Colouring((light - edges[0]) / (edges[-1] - edges[0]), "", palette)


def colour_error(model, coefficients, images):
    """Mean colour error of each vertex over the frames that show it.

    Args:
        model: MorphableModel. coefficients: Coefficients of B frames.
        images: (B, S, S, 3) uint8 crops.
    Returns:
        (V,) grey levels of 255, NaN where no frame shows the skin there.
    """
    from tfhkit.fit.appearance import observe

    coefficients = coefficients.map(lambda part: torch.as_tensor(part).float())
    camera = Camera(images.shape[1])
    colours, basis, seen = observe(model, coefficients, images, camera)
    shading = torch.einsum("bvk,bck->bvc", basis, with_ambient(coefficients.light))
    error = (colours - shading * model.texture(coefficients.tex)).abs().mean(-1)
    count = seen.sum(0)
    mean = 255 * (error * seen).sum(0) / count.clamp_min(1)
    return torch.where(count > 0, mean, torch.nan).numpy()


def turning_head(model, verts, colourings, n_verts=1300, height=460):
    """A head that turns under the mouse; a menu chooses its colouring.

    Args:
        model: MorphableModel. verts: (V, 3) dm, in the model's space.
        colourings: dict of name -> Colouring; the first one is shown at the beginning.
        n_verts: vertices of the figure; the figure's size grows with them.
        height: of the figure, px.
    Returns:
        plotly Figure.
    Raises:
        ParameterError: no colourings. ShapeError.
    """
    import plotly.graph_objects as go

    verts = np.asarray(verts)
    check_shape("verts", verts, (model.n_verts, 3))
    _check(colourings, model.n_verts)
    kept, faces = light_mesh(model, verts, n_verts)
    x, y, z = np.rint(UNITS_PER_DM * _without_bust(verts[kept]).T)
    looks = {name: _look(colouring, kept) for name, colouring in colourings.items()}
    corners = dict(zip("ijk", (packed(part, "u2") for part in faces.T)))
    mesh = go.Mesh3d(
        x=packed(x, "i2"), y=packed(-z, "i2"), z=packed(y, "i2"), **corners,
        lighting={"ambient": 0.55, "diffuse": 0.65, "specular": 0.12, "roughness": 0.7,
                  "fresnel": 0.05},
        lightposition={"x": -40_000, "y": -90_000, "z": 50_000},
        **next(iter(looks.values())),
    )  # fmt: skip
    hidden = dict.fromkeys(("xaxis", "yaxis", "zaxis"), {"visible": False})
    camera = {"eye": {"x": 0.25, "y": -1.75, "z": 0.1}}
    buttons = [
        {"label": name, "method": "restyle", "args": [_listed(look), [0]]}
        for name, look in looks.items()
    ]
    menu = {
        "buttons": buttons, "x": 0, "y": 1, "xanchor": "left", "yanchor": "top",
        "bgcolor": "white", "bordercolor": FAINT, "pad": {"t": 4, "l": 4},
    }  # fmt: skip
    scene = {"aspectmode": "data", "dragmode": "turntable", "camera": camera, **hidden}
    layout = house_layout(
        height=height, scene=scene, updatemenus=[menu], margin={"l": 0, "r": 0, "t": 0, "b": 0}
    )
    return go.Figure({"data": [mesh], "layout": layout})


def light_mesh(model, verts, n_verts):
    """Vertices and triangles for a small figure: finest in the face, nothing of the mouth's inside.

    Returns:
        kept: (K,) vertex numbers. faces: (G, 3) places in `kept`.
    """
    coarse = load_model("open", subdivide=False)
    same = model.name == coarse.name and not model.path and model.n_verts > coarse.n_verts
    faces = (coarse if same else model).faces  # the coarse vertices are the first ones
    inside, mean = model.any_region(*MOUTH_INSIDE).numpy(), model.mean_shape.numpy()
    low = (_without_bust(mean) != mean).any(1)
    faces = faces.numpy()
    faces = faces[~inside[faces].any(1) & ~low[faces].all(1)]
    front = model.any_region("face").numpy() * (model.mean_shape[:, 2] > -0.3).numpy()
    return decimate(verts, faces, n_verts, 1 + 5.0 * front)


def _without_bust(verts):
    """Vertices (V, 3) with those of the bust lifted to the plane that cuts the neck."""
    x, y, z = verts.T
    return np.stack([x, np.maximum(y, NECK_DM + NECK_SLOPE * z), z], 1)


def still_heads(model, id, colourings, size_px=130):
    """The same colourings as pictures, with a colour bar each.

    Args:
        model: MorphableModel. id: (80,) identity coefficients.
        colourings: dict of name -> Colouring. size_px: side of a picture.
    Returns:
        matplotlib Figure.
    """
    import matplotlib.pyplot as plt

    from tfhkit.render.plots import portraits

    _check(colourings, model.n_verts)
    figure, axes = plt.subplots(
        1, len(colourings), figsize=(1.6 * len(colourings), 2.4), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    look = {"angles": torch.tensor([[0.0, 0.45, 0.0]]), "back_dm": 1.6}
    look["id"] = torch.as_tensor(id)[None]
    for axis, (name, colouring) in zip(axes[0], colourings.items()):
        paint = torch.as_tensor(_painted(colouring)).float()
        axis.imshow(portraits(model, size_px, albedo=paint, **look)[0])
        axis.set_title(name, fontsize=8)
        axis.axis("off")
        own = isinstance(colouring.palette, str)
        shades = plt.cm.ScalarMappable(plt.Normalize(*_ends(colouring.values)), CIVIDIS)
        bar = figure.colorbar(shades, ax=axis, orientation="horizontal", aspect=14)
        bar.set_label(colouring.label or " ", fontsize=7)
        bar.ax.tick_params(labelsize=7)
        bar.ax.set_visible(own)
    return figure


def _check(colourings, n_verts):
    if not colourings:
        raise ParameterError("colourings", "are none", "give one or more")
    for name, colouring in colourings.items():
        check_shape(name, np.asarray(colouring.values), (n_verts,))


def _ends(values):
    """Ends of the colour bar: from 0, the largest 3 % of the vertices share the last colour."""
    return 0.0, float(max(np.nanquantile(values, 0.97), 1e-9))


def _painted(colouring):
    """(V, 3) colours of all vertices."""
    import matplotlib.pyplot as plt

    values = np.asarray(colouring.values, np.float64)
    if not isinstance(colouring.palette, str):
        at = np.linspace(0, 1, len(colouring.palette))
        return np.stack([np.interp(values, at, part) for part in colouring.palette.T], 1)
    low, high = _ends(values)
    colours = plt.get_cmap(colouring.palette)((np.nan_to_num(values) - low) / (high - low))[:, :3]
    grey = np.array([int(UNSEEN[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(np.isnan(values)[:, None], grey, colours)


def _look(colouring, kept):
    """What a colouring changes in plotly's mesh."""
    import matplotlib.pyplot as plt

    values = np.asarray(colouring.values, np.float64)[kept]
    if not isinstance(colouring.palette, str):
        tones = np.rint(255 * colouring.palette).astype(int)
        return {
            "intensity": packed(np.rint(255 * values), "u1"), "cmin": 0, "cmax": 255,
            "colorscale": _scale(tones), "showscale": False, "colorbar": {"title": {"text": ""}},
            "hovertemplate": "<extra></extra>",
        }  # fmt: skip
    _, high = _ends(colouring.values)
    tones = np.rint(255 * plt.get_cmap(colouring.palette)(np.linspace(0, 1, 12))[:, :3]).astype(int)
    low, scale = 0.0, "Cividis" if colouring.palette == CIVIDIS else _scale(tones)
    if np.isnan(values).any():  # grey below zero
        low = -0.05 * high
        values = np.where(np.isnan(values), low, values)
        grey = "rgb" + str(tuple(int(UNSEEN[k : k + 2], 16) for k in (1, 3, 5)))
        scale = [[0, grey], [0.04, grey]] + [
            [round(0.05 + 0.95 * at, 4), tone] for at, tone in _scale(tones)
        ]
    bar = {"title": {"text": colouring.label, "side": "right"}, "len": 0.8, "thickness": 14}
    return {
        "intensity": packed(values), "cmin": low, "cmax": high, "colorscale": scale,
        "showscale": True, "colorbar": bar,
        "hovertemplate": f"%{{intensity:.1f}} {colouring.label}<extra></extra>",
    }  # fmt: skip


def _scale(tones):
    at = np.linspace(0, 1, len(tones))
    return [
        [round(float(place), 4), "rgb({},{},{})".format(*tone)] for place, tone in zip(at, tones)
    ]


def _listed(look):
    """A look as plotly's restyle takes it: each value for a list of one trace."""
    return {name: [value] for name, value in look.items()}
