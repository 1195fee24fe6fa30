"""The compiled loops of the numba backend: project, z-buffer, fill in, light.

Every function works on a span of frames (and rows), needs no lock, and allocates its scratch once.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32

from tfhkit.jit import compiled

NEAR = 0.1  # dm; faces that come nearer to the camera than this are left out
LANES = 4  # pixels of a row that are tested at once, without a branch
LOW = 0xFFFFFFFF  # the half of a key that names the face
ON_EDGE = -1e-9  # barycentric; a pixel centre on an edge belongs to both faces, so nothing leaks


@compiled
@no_type_check
def _project(verts, focal, centre_x, centre_y, distance, screen):
    """World (V, 3) -> screen (V, 3): x, y in pixels and 1/depth; NaN where too near."""
    for v in range(verts.shape[0]):
        depth = distance - verts[v, 2]
        share = 1.0 / depth if depth > NEAR else np.nan
        screen[v, 0] = centre_x + focal * verts[v, 0] * share
        screen[v, 1] = centre_y - focal * verts[v, 1] * share
        screen[v, 2] = share


@compiled
@no_type_check
def _zbuffer(screen, faces, cull, top, bottom, keys):
    """Fill rows top..bottom-1 of keys (S, S + LANES) int64 with the nearest face of each pixel.

    A key holds 1/depth as a float's bits, which order as positive floats do, and below it the
    face, counted from the last one: the largest key is the nearest face, and of equally near ones
    the first. 0 is empty. 1/depth and the barycentrics as measured in the picture are affine
    functions of the pixel. A row of a face is worked off in steps of LANES pixels without a
    branch, since most faces are about three pixels wide; columns past S take what overhangs.
    """
    size, n_faces = keys.shape[1] - LANES, faces.shape[0]
    keys[top:bottom] = 0
    for f in range(n_faces):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        # y points down, so faces that are counter-clockwise to the eye have a negative area;
        # it is NaN, and no comparison holds, where a corner is too near
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not (area < 0.0 or (area > 0.0 and not cull)):
            continue
        x_low, x_high = min(ax, bx, cx), max(ax, bx, cx)
        y_low, y_high = min(ay, by, cy), max(ay, by, cy)
        if x_high < 0.5 or y_high < top + 0.5 or x_low > size - 0.5 or y_low > bottom - 0.5:
            continue
        x_first = max(0, int(np.ceil(x_low - 0.5)))
        x_last = min(size - 1, int(np.floor(x_high - 0.5)))
        y_first = max(top, int(np.ceil(y_low - 0.5)))
        y_last = min(bottom - 1, int(np.floor(y_high - 0.5)))
        if x_first > x_last or y_first > y_last:
            continue
        # barycentrics u (of a), v (of b) and w (of c), and 1/depth, per step to the right and down
        scale = 1.0 / area
        u_dx, u_dy = (by - cy) * scale, (cx - bx) * scale
        v_dx, v_dy = (cy - ay) * scale, (ax - cx) * scale
        w_dx, w_dy = -u_dx - v_dx, -u_dy - v_dy
        z_dx, z_dy = u_dx * az + v_dx * bz + w_dx * cz, u_dy * az + v_dy * bz + w_dy * cz
        x, y = x_first + 0.5, y_first + 0.5
        u_row = (x - cx) * u_dx + (y - cy) * u_dy
        v_row = (x - cx) * v_dx + (y - cy) * v_dy
        w_row = 1.0 - u_row - v_row
        z_row = u_row * az + v_row * bz + w_row * cz
        for row in range(y_first, y_last + 1):
            for left in range(x_first, x_last + 1, LANES):
                step = left - x_first
                u, v, w = u_row + step * u_dx, v_row + step * v_dx, w_row + step * w_dx
                z = z_row + step * z_dx
                for i in range(LANES):
                    inside = min(u + i * u_dx, v + i * v_dx, w + i * w_dx) >= ON_EDGE
                    bits = np.int64(np.float32(z + i * z_dx).view(np.int32))
                    key = (bits << 32) | (n_faces - f)
                    old = keys[row, left + i]
                    keys[row, left + i] = key if inside & (key > old) else old
            u_row += u_dy
            v_row += v_dy
            w_row += w_dy
            z_row += z_dy


@compiled
@no_type_check
def _weights(screen, a, b, c, x, y):
    """Perspective-correct barycentrics of the point (x, y) of the picture, and its depth."""
    ax, ay = screen[a, 0] - x, screen[a, 1] - y
    bx, by = screen[b, 0] - x, screen[b, 1] - y
    cx, cy = screen[c, 0] - x, screen[c, 1] - y
    u, v, w = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    area = u + v + w
    u, v, w = u * screen[a, 2], v * screen[b, 2], w * screen[c, 2]
    share = 1.0 / (u + v + w)
    return u * share, v * share, w * share, area * share


@compiled
@no_type_check
def _mix(paint, a, b, c, u, v, w, k):
    """Channel k of the colours of three corners, mixed and kept in [0, 1]."""
    return min(1.0, max(0.0, u * paint[a, k] + v * paint[b, k] + w * paint[c, k]))


@compiled
@no_type_check
def draw_fragments(
    verts: Float32[np.ndarray, "B V 3"],
    faces: Int32[np.ndarray, "F 3"],
    view: tuple[float, float, float, float, bool],
    part: tuple[int, int, int, int],
    pix: Int[np.ndarray, "B S S"],
    zbuf: Float[np.ndarray, "B S S"],
    bary: Float[np.ndarray, "B S S 3"],
) -> None:
    """Packed ids, depth and barycentrics of a part of the pictures.

    Args:
        verts: (B, V, 3) world space. faces: (F, 3).
        view: focal length and principal point (x, y) in px, the camera's distance, and whether
            faces that look away are left out.
        part: first, last, top, bottom: rows top..bottom-1 of frames first..last-1.
        pix, zbuf: (B, S, S), bary: (B, S, S, 3); written to.
    """
    focal, x, y, distance, cull = view
    first, last, top, bottom = part
    size, n_faces = pix.shape[1], faces.shape[0]
    screen = np.empty((verts.shape[1], 3))
    keys = np.empty((size, size + LANES), np.int64)
    for frame in range(first, last):
        _project(verts[frame], focal, x, y, distance, screen)
        _zbuffer(screen, faces, cull, top, bottom, keys)
        for row in range(top, bottom):
            for column in range(size):
                key = keys[row, column]
                if key == 0:
                    pix[frame, row, column] = -1
                    zbuf[frame, row, column] = -1.0
                    bary[frame, row, column, :] = -1.0
                    continue
                f = n_faces - (key & LOW)
                a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                u, v, w, depth = _weights(screen, a, b, c, column + 0.5, row + 0.5)
                pix[frame, row, column] = f + frame * n_faces
                zbuf[frame, row, column] = depth
                bary[frame, row, column, 0] = u
                bary[frame, row, column, 1] = v
                bary[frame, row, column, 2] = w


@compiled
@no_type_check
def paint_frames(
    verts: Float32[np.ndarray, "B V 3"],
    colours: Float32[np.ndarray, "B V 3"],
    faces: Int32[np.ndarray, "F 3"],
    shown: Bool[np.ndarray, "F"],
    view: tuple[float, float, float, float, int],
    part: tuple[int, int, int, int],
    rgba: Float[np.ndarray, "B S S 4"],
) -> None:
    """Straight RGBA of a part of the pictures, the average of samples x samples points per pixel.

    Args:
        verts, colours: (B, V, 3). faces: (F, 3). shown: (F,) bool.
        view: focal length and principal point (x, y) in px, the camera's distance, samples.
        part: first, last, top, bottom: rows top..bottom-1 of frames first..last-1.
        rgba: (B, S, S, 4); written to.
    """
    focal, centre_x, centre_y, distance, samples = view
    first, last, top, bottom = part
    size, n_faces = rgba.shape[1], faces.shape[0]
    screen = np.empty((verts.shape[1], 3))
    keys = np.empty((size * samples, size * samples + LANES), np.int64)
    for frame in range(first, last):
        place = (focal * samples, centre_x * samples, centre_y * samples)
        _project(verts[frame], *place, distance, screen)
        _zbuffer(screen, faces, True, top * samples, bottom * samples, keys)
        paint = colours[frame]
        for row in range(top, bottom):
            for column in range(size):
                hits = 0
                red = green = blue = 0.0
                for y in range(row * samples, (row + 1) * samples):
                    for x in range(column * samples, (column + 1) * samples):
                        key = keys[y, x]
                        f = n_faces - (key & LOW)
                        if key == 0 or not shown[f]:
                            continue
                        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                        u, v, w, _ = _weights(screen, a, b, c, x + 0.5, y + 0.5)
                        red += _mix(paint, a, b, c, u, v, w, 0)
                        green += _mix(paint, a, b, c, u, v, w, 1)
                        blue += _mix(paint, a, b, c, u, v, w, 2)
                        hits += 1
                share = 1.0 / max(hits, 1)
                rgba[frame, row, column, 0] = red * share
                rgba[frame, row, column, 1] = green * share
                rgba[frame, row, column, 2] = blue * share
                rgba[frame, row, column, 3] = hits / (samples * samples)


@compiled
@no_type_check
def light_frames(
    verts: Float32[np.ndarray, "B V 3"],
    faces: Int32[np.ndarray, "F 3"],
    albedo: Float32[np.ndarray, "#B V 3"],
    harmonics: Float[np.ndarray, "B 3 9"],
    first: int,
    last: int,
    colours: Float[np.ndarray, "B V 3"],
) -> None:
    """Colours of frames first..last-1: area-weighted vertex normals, then albedo times light.

    harmonics (B, 3, 9) weigh 1, x, y, z, xy, yz, xz, x^2 - y^2 and z^2 of the unit normal.
    """
    for frame in range(first, last):
        points, out, weights = verts[frame], colours[frame], harmonics[frame]
        skin = albedo[frame % albedo.shape[0]]
        out[:] = 0.0  # holds the normals first
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
            px, py, pz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
            qx, qy, qz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
            x, y, z = py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
            for corner in (a, b, c):
                out[corner, 0] += x
                out[corner, 1] += y
                out[corner, 2] += z
        for v in range(points.shape[0]):
            x, y, z = out[v, 0], out[v, 1], out[v, 2]
            share = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-12)
            x, y, z = x * share, y * share, z * share
            for k in range(3):
                w = weights[k]
                light = w[0] + x * (w[1] + w[4] * y + w[6] * z + w[7] * x)
                light += y * (w[2] + w[5] * z - w[7] * y) + z * (w[3] + w[8] * z)
                out[v, k] = skin[v, k] * light
