"""A head that can be turned with the mouse, in one of several colourings, and pictures of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure
from torch import Tensor

from tfhkit.camera import Camera
from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError, check_shape
from tfhkit.face import load_model
from tfhkit.face.lighting import with_ambient
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.teach.decimate import decimate
from tfhkit.teach.hover import FAINT, house_layout, packed

UNITS_PER_DM = 10_000  # vertices are stored in hundredths of a millimetre
NECK_DM, NECK_SLOPE = -1.24, -0.38  # the head ends at y = NECK_DM + NECK_SLOPE z
N_SKIN = 16  # tones of the skin
UNSEEN = "#BDBDBD"
CIVIDIS = "cividis"


@dataclass(frozen=True)
class Colouring:
    """One number for each vertex, and what it means.

    Args:
        values: NaN is drawn in grey.
        label: what the values are, with a unit, for the colour bar.
        palette: name of a matplotlib colour map, or K colours in [0, 1], which get no colour bar.
    """

    values: Float[np.ndarray, "V"] | Float[Tensor, "V"]
    label: str
    palette: str | Float[np.ndarray, "K 3"] = CIVIDIS


def skin_colours(albedo: Float[np.ndarray, "V 3"] | Float[Tensor, "V 3"]) -> Colouring:
    """The head's own colours as a scale of tones from the darkest to the lightest.

    Args:
        albedo: RGB in about [0, 1].
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


def colour_error(
    model: MorphableModel, coefficients: Coefficients, images: UInt8[np.ndarray, "B S S 3"]
) -> Float[np.ndarray, "V"]:
    """Mean colour error of each vertex over the frames that show it.

    Args:
        model: morphable model.
        coefficients: of B frames.
        images: crops of these frames.
    Returns:
        Grey levels of 255; NaN where no frame shows the vertex, or it is not skin.
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


def turning_head(
    model: MorphableModel,
    verts: Float[np.ndarray, "V 3"] | Float[Tensor, "V 3"],
    colourings: Mapping[str, Colouring],
    n_verts: int = 1300,
    height: int = 460,
) -> go.Figure:
    """A head that can be turned with the mouse; a menu chooses its colouring.

    Args:
        model: morphable model.
        verts: vertices in dm, in the model's space.
        colourings: colourings by name; the first one is shown at the beginning.
        n_verts: vertices of the figure; its file size grows with them.
        height: height of the figure, px.
    Raises:
        ParameterError: no colourings. ShapeError: not one value for each of the model's vertices.
    """
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


def light_mesh(
    model: MorphableModel, verts: Float[np.ndarray, "V 3"], n_verts: int
) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "G 3"]]:
    """A mesh for a small figure: finest in the face, without the inside of the mouth.

    Returns:
        kept: vertex numbers. faces: triangles as places in `kept`.
    """
    coarse = load_model("open", subdivide=False)
    same = model.name == coarse.name and not model.path and model.n_verts > coarse.n_verts
    triangles = (coarse if same else model).faces  # the coarse vertices are the first ones
    inside, mean = model.any_region(*MOUTH_INSIDE).numpy(), model.mean_shape.numpy()
    low = (_without_bust(mean) != mean).any(1)
    faces = triangles.numpy()
    faces = faces[~inside[faces].any(1) & ~low[faces].all(1)]
    front = model.any_region("face").numpy() * (model.mean_shape[:, 2] > -0.3).numpy()
    return decimate(verts, faces, n_verts, 1 + 5.0 * front)


def _without_bust(verts):
    """Vertices (V, 3) with those of the bust moved up to the plane that cuts the neck."""
    x, y, z = verts.T
    return np.stack([x, np.maximum(y, NECK_DM + NECK_SLOPE * z), z], 1)


def still_heads(
    model: MorphableModel,
    id: Float[np.ndarray, "80"] | Float[Tensor, "80"],
    colourings: Mapping[str, Colouring],
    size_px: int = 130,
) -> Figure:
    """The same colourings as pictures, with a colour bar each.

    Args:
        model: morphable model.
        id: identity coefficients.
        colourings: colourings by name.
        size_px: side of a picture.
    """
    import matplotlib.pyplot as plt

    from tfhkit.render.plots import portraits

    _check(colourings, model.n_verts)
    figure, axes = plt.subplots(
        1, len(colourings), figsize=(1.6 * len(colourings), 2.4), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    pose, who = torch.tensor([[0.0, 0.45, 0.0]]), torch.as_tensor(id)[None]
    for axis, (name, colouring) in zip(axes[0], colourings.items()):
        paint = torch.as_tensor(_painted(colouring)).float()
        axis.imshow(portraits(model, size_px, paint, back_dm=1.6, angles=pose, id=who)[0])
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
    """Ends of the colour bar: 0, and the value above which 3 % of the vertices lie."""
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
