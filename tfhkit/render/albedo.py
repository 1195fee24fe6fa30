"""Detailed albedo: a frame's own pixels, divided by the light, on the model (Sec. 3.3.1)."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.coefficients import Coefficients
from tfhkit.errors import check_shape
from tfhkit.face.lighting import shade_sh
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel, vertex_normals
from tfhkit.maths import smooth
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import facing, vertex_visibility

_MIRROR_SHARE = 0.5  # weight of what the mirror side saw, against what a vertex saw itself
_DARK = 0.15  # irradiance below which a division would amplify noise
_FOREIGN = 0.45  # distance from the model's colour that is more like a collar than like a face


def choose_albedo_frame(
    coefficients: Coefficients, usable: Bool[np.ndarray, "T"] | None = None
) -> int:
    """The frame with the most neutral expression and the smallest rotation angles.

    Both are measured in units of the clip's own mean, and summed.

    Args:
        coefficients: Coefficients of T frames (NumPy or torch).
        usable: (T,) bool, frames to choose from, see `eyes_open`.
    Returns:
        int, the frame's index.
    """
    exp = np.linalg.norm(np.asarray(coefficients.exp), axis=-1)
    turn = np.linalg.norm(np.asarray(coefficients.angles), axis=-1)
    score = exp / max(exp.mean(), 1e-9) + turn / max(turn.mean(), 1e-9)
    if usable is not None and np.any(usable):
        score = np.where(usable, score, np.inf)
    return int(np.argmin(score))


def eyes_open(
    landmarks_px: Float[np.ndarray, "T 68 2"], least: float = 0.75
) -> Bool[np.ndarray, "T"]:
    """Frames whose eyes are about as open as they usually are in the clip.

    A blink leaves hardly a trace in the expression, but a detailed albedo would keep it for good.

    Args:
        landmarks_px: (T, 68, 2). least: share of the median opening.
    Returns:
        (T,) bool.
    """
    points = np.asarray(landmarks_px, np.float64)
    height = [
        np.linalg.norm(points[:, upper] - points[:, lower], axis=-1)
        for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46))
    ]
    width = np.linalg.norm(points[:, [36, 42]] - points[:, [39, 45]], axis=-1).mean(1)
    ratio = np.mean(height, 0) / np.maximum(width, 1e-9)
    return ratio > least * np.median(ratio)


def sample_bilinear(
    image: UInt8[np.ndarray, "H W 3"], points_px: Float[Tensor, "V 2"]
) -> Float[Tensor, "V 3"]:
    """Colours of an image at points.

    Args:
        image: (H, W, 3) uint8.
        points_px: (V, 2), pixel centres at +0.5; outside, the border is repeated.
    Returns:
        (V, 3) float32 in [0, 1], on the device of the points.
    """
    points = points_px.float()
    picture = torch.as_tensor(np.array(image)).to(points.device)
    picture = picture.permute(2, 0, 1)[None].float() / 255
    size = points.new_tensor([image.shape[1], image.shape[0]])
    grid = (points / size * 2 - 1)[None, None]
    colours = torch.nn.functional.grid_sample(
        picture, grid, padding_mode="border", align_corners=False
    )
    return colours[0, :, 0].T


def detailed_albedo(
    model: MorphableModel,
    coefficients: Coefficients,
    crop_image: UInt8[np.ndarray, "..."],
    camera: Camera | None = None,
    visibility: bool = True,
    fill: bool = True,
    smoothness: float = 0.03,
) -> Float[Tensor, "V 3"]:
    """Per-vertex albedo from one frame: project, sample, divide by the irradiance.

    Where a vertex is not seen, or at a grazing angle, its colour comes from its mirror vertex
    and from the model's texture: the difference d between sampled and model albedo solves
    min sum_i w_i |d_i - s_i|^2 + smoothness sum_edges |d_i - d_j|^2, so that there is no seam.

    Args:
        model: MorphableModel.
        coefficients: Coefficients of one frame, (1, ...) (NumPy or torch); its light is used.
        crop_image: (S, S, 3) uint8, the frame's crop.
        camera: Camera of the crop; by default of the image's size.
        visibility: False leaves the visibility test out, as the published code does: hidden
            vertices then take the colour of what covers them (the far cheek is painted with
            the nose), and there is no filling.
        fill: False keeps the model's albedo wherever the frame shows nothing.
        smoothness: weight of the edges in the filling, against 1 for a well-seen vertex.
    Returns:
        (V, 3) float32 RGB on the model's device, at least 0; may exceed 1 where the light was
        fitted too dark.
    Raises:
        ShapeError: more than one frame, or an image that does not fit the camera.
    Source: paper Sec. 3.3.1. Differs from the published code: bilinear instead of truncated
        pixels, visibility test, grazing angles, filling.
    """
    camera = camera or Camera(crop_image.shape[0])
    check_shape("crop_image", crop_image, (camera.size_px, camera.size_px, 3))
    frame = coefficients.map(lambda part: torch.as_tensor(part).to(model.mean_shape))
    check_shape("coefficients.exp", frame.exp, (1, 64))
    with torch.no_grad():
        verts = posed_verts(model, frame)
        normals = vertex_normals(verts, model.faces)
        irradiance = shade_sh(torch.ones_like(verts), normals, frame.light)[0]
        points, _ = project(verts[0], camera)
        sampled = sample_bilinear(crop_image, points) / irradiance.clamp_min(_DARK)
        if not visibility:
            return sampled
        smooth = model.texture(frame.tex)[0]
        weight = _view_weight(model, verts, normals, camera)
        weight = weight * (irradiance.min(-1).values > _DARK)
        weight = weight * torch.exp(-(((sampled - smooth).norm(dim=-1) / _FOREIGN) ** 4))
    difference = (sampled - smooth).cpu().numpy().astype(np.float64)
    weight = weight.cpu().numpy().astype(np.float64)
    if fill:
        mirror = mirror_verts(model)
        mirrored = (sampled[mirror] - smooth).cpu().numpy().astype(np.float64)
        difference = _fill(model.faces, difference, weight, mirrored, weight[mirror], smoothness)
    else:
        difference = difference * weight[:, None]
    return (smooth + torch.from_numpy(difference).to(smooth)).clamp_min(0)


def _view_weight(model, verts, normals, camera):
    """(V,) in [0, 1]: 1 where the frame shows a vertex of the face well, 0 where it does not."""
    cosine = facing(verts, normals)[0]
    weight = smooth(((cosine - 0.2) / 0.4).clamp(0, 1))
    fine = camera.at(max(camera.size_px, 512))
    weight = weight * vertex_visibility(verts, model.faces, fine)[0] * model.regions["face"]
    return weight * ~model.any_region(*MOUTH_INSIDE)


def mirror_verts(model: MorphableModel) -> Int[np.ndarray, "V"]:
    """(V,) for each vertex the vertex nearest to its mirror image in the mean shape."""
    shape = model.mean_shape.cpu().numpy()
    return cKDTree(shape).query(shape * [-1, 1, 1])[1]


def _fill(faces, difference, weight, mirrored, mirror_weight, smoothness):
    """Solve for the smooth difference (V, 3); see `detailed_albedo`."""
    other = _MIRROR_SHARE * mirror_weight * (1 - weight)
    target = weight[:, None] * difference + other[:, None] * mirrored
    return smooth_over_mesh(faces, target, weight + other, smoothness)


def smooth_over_mesh(
    faces: Int[Tensor, "F 3"],
    weighted: Float[np.ndarray, "V C"],
    weight: Float[np.ndarray, "V"],
    smoothness: float,
) -> Float[np.ndarray, "V C"]:
    """x of min sum_i w_i |x_i - y_i|^2 + smoothness sum_edges |x_i - x_j|^2.

    Args:
        faces: of the mesh.
        weighted: w_i y_i of each vertex. weight: w_i; 0 where nothing is known.
        smoothness: weight of the edges.
    Returns:
        x; 0 on parts of the mesh where no vertex is known.
    """
    n_verts, corners = len(weight), faces.cpu().numpy()
    start, end = corners.reshape(-1), np.roll(corners, -1, 1).reshape(-1)
    links = coo_matrix((np.ones(len(start)), (start, end)), (n_verts, n_verts)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    laplacian = diags(np.asarray(links.sum(1))[:, 0]) - links
    # The last term draws parts that no known vertex is connected to towards 0.
    system = diags(weight + 1e-4) + smoothness * laplacian
    solver = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solver.solve(weighted)
