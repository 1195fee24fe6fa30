"""The compiled loops of the numba backend: project, z-buffer, fill in, light.

Every function works on a span of frames (and rows), needs no lock, and allocates its scratch once.
"""

import numpy as np
from numba import njit

NEAR = 0.1  # dm; faces that come nearer to the camera than this are left out
ON_EDGE = -1e-9  # barycentric; a pixel centre on an edge belongs to both faces, so nothing leaks


def compiled(function):
    """Compile, with a cache on disk where one can be written."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache is writable
        return njit(**options)(function)


@compiled
def _project(verts, focal, centre, distance, screen):
    """World (V, 3) -> screen (V, 3): x, y in pixels and 1/depth (0 where too near)."""
    for v in range(verts.shape[0]):
        depth = distance - verts[v, 2]
        if depth > NEAR:
            screen[v, 0] = centre + focal * verts[v, 0] / depth
            screen[v, 1] = centre - focal * verts[v, 1] / depth
            screen[v, 2] = 1.0 / depth
        else:
            screen[v, 2] = 0.0


@compiled
def _zbuffer(screen, faces, cull, top, bottom, ids, inverse_z, flat):
    """Fill rows top..bottom-1: ids (S, S) with the nearest face or -1, inverse_z (S, S) with its
    1/depth, and flat (S, S, 2) with its first two barycentrics as measured in the picture.

    These are affine functions of the pixel, and so is 1/depth: all are stepped along the rows.
    The nearest face has the largest 1/depth.
    """
    size = ids.shape[0]
    ids[top:bottom] = -1
    inverse_z[top:bottom] = 0.0
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        if not (az > 0.0 and bz > 0.0 and cz > 0.0):
            continue
        # y points down, so faces that are counter-clockwise to the eye have a negative area
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
        scale = 1.0 / area
        # barycentric u (of a) and v (of b) as functions of the pixel's centre
        u_dx, u_dy = (by - cy) * scale, (cx - bx) * scale
        v_dx, v_dy = (cy - ay) * scale, (ax - cx) * scale
        x, y = x_first + 0.5, y_first + 0.5
        u_row = (x - cx) * u_dx + (y - cy) * u_dy
        v_row = (x - cx) * v_dx + (y - cy) * v_dy
        for row in range(y_first, y_last + 1):
            u, v = u_row, v_row
            entered = False
            for column in range(x_first, x_last + 1):
                w = 1.0 - u - v
                if (u >= ON_EDGE) & (v >= ON_EDGE) & (w >= ON_EDGE):
                    entered = True
                    z = u * az + v * bz + w * cz
                    if z > inverse_z[row, column]:
                        inverse_z[row, column] = z
                        ids[row, column] = f
                        flat[row, column, 0] = u
                        flat[row, column, 1] = v
                elif entered:
                    break  # a triangle's row has no gap
                u += u_dx
                v += v_dx
            u_row += u_dy
            v_row += v_dy


@compiled
def _weights(flat_u, flat_v, az, bz, cz):
    """Perspective-correct barycentrics from those in the picture and the corners' 1/depth."""
    u, v, w = flat_u * az, flat_v * bz, (1.0 - flat_u - flat_v) * cz
    share = 1.0 / (u + v + w)
    return u * share, v * share, w * share


@compiled
def draw_fragments(
    verts, faces, focal, centre, distance, cull, first, last, top, bottom, pix, zbuf, bary
):
    """Rows top..bottom-1 of frames first..last-1 to packed ids, depth and barycentrics."""
    size = pix.shape[1]
    screen = np.empty((verts.shape[1], 3))
    ids = np.empty((size, size), np.int32)
    inverse_z = np.empty((size, size))
    flat = np.empty((size, size, 2))
    for frame in range(first, last):
        _project(verts[frame], focal, centre, distance, screen)
        _zbuffer(screen, faces, cull, top, bottom, ids, inverse_z, flat)
        for row in range(top, bottom):
            for column in range(size):
                f = ids[row, column]
                if f < 0:
                    pix[frame, row, column] = -1
                    zbuf[frame, row, column] = -1.0
                    bary[frame, row, column, :] = -1.0
                    continue
                u, v, w = _weights(
                    flat[row, column, 0],
                    flat[row, column, 1],
                    screen[faces[f, 0], 2],
                    screen[faces[f, 1], 2],
                    screen[faces[f, 2], 2],
                )
                pix[frame, row, column] = f + frame * faces.shape[0]
                zbuf[frame, row, column] = 1.0 / inverse_z[row, column]
                bary[frame, row, column, 0] = u
                bary[frame, row, column, 1] = v
                bary[frame, row, column, 2] = w


@compiled
def paint_frames(
    verts, colours, faces, shown, focal, centre, distance, samples, first, last, top, bottom, rgba
):
    """Rows top..bottom-1 of frames first..last-1 to straight RGBA, the average of
    samples x samples points per pixel."""
    size = rgba.shape[1]
    screen = np.empty((verts.shape[1], 3))
    ids = np.empty((size * samples, size * samples), np.int32)
    inverse_z = np.empty((size * samples, size * samples))
    flat = np.empty((size * samples, size * samples, 2))
    total = np.empty(3)
    for frame in range(first, last):
        _project(verts[frame], focal * samples, centre * samples, distance, screen)
        _zbuffer(screen, faces, True, top * samples, bottom * samples, ids, inverse_z, flat)
        paint = colours[frame]
        for row in range(top, bottom):
            for column in range(size):
                hits = 0
                total[:] = 0.0
                for y in range(row * samples, (row + 1) * samples):
                    for x in range(column * samples, (column + 1) * samples):
                        f = ids[y, x]
                        if f < 0 or not shown[f]:
                            continue
                        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                        u, v, w = _weights(
                            flat[y, x, 0], flat[y, x, 1], screen[a, 2], screen[b, 2], screen[c, 2]
                        )
                        for k in range(3):
                            value = u * paint[a, k] + v * paint[b, k] + w * paint[c, k]
                            total[k] += min(1.0, max(0.0, value))
                        hits += 1
                share = 1.0 / max(hits, 1)
                for k in range(3):
                    rgba[frame, row, column, k] = total[k] * share
                rgba[frame, row, column, 3] = hits / (samples * samples)


@compiled
def paint_pictures(
    verts, paint, faces, picture, focal, centre, distance, samples, first, last, top, bottom, out
):
    """Lay meshes that show a picture over rows top..bottom-1 of frames first..last-1 of `out`.

    paint (B or 1, V, 8) holds x d, y d and d, where (x, y) is the vertex' place in the picture and
    d its distance when that was taken; then the picture's share, opacity, and the RGB of the rest.
    """
    size, height, width = out.shape[1], picture.shape[0], picture.shape[1]
    screen = np.empty((verts.shape[1], 3))
    ids = np.empty((size * samples, size * samples), np.int32)
    inverse_z = np.empty((size * samples, size * samples))
    flat = np.empty((size * samples, size * samples, 2))
    total, p = np.empty(3), np.empty(8)
    for frame in range(first, last):
        _project(verts[frame], focal * samples, centre * samples, distance, screen)
        _zbuffer(screen, faces, True, top * samples, bottom * samples, ids, inverse_z, flat)
        colours = paint[frame % paint.shape[0]]
        for row in range(top, bottom):
            for column in range(size):
                covered = 0.0
                total[:] = 0.0
                for y in range(row * samples, (row + 1) * samples):
                    for x in range(column * samples, (column + 1) * samples):
                        f = ids[y, x]
                        if f < 0:
                            continue
                        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                        u, v, w = _weights(
                            flat[y, x, 0], flat[y, x, 1], screen[a, 2], screen[b, 2], screen[c, 2]
                        )
                        for k in range(8):
                            p[k] = u * colours[a, k] + v * colours[b, k] + w * colours[c, k]
                        # where the ray met the surface when the picture was taken
                        s = min(max(p[0] / p[2] - 0.5, 0.0), width - 1.001)
                        t = min(max(p[1] / p[2] - 0.5, 0.0), height - 1.001)
                        i, j = int(t), int(s)
                        s, t = s - j, t - i
                        for k in range(3):
                            above = (1 - s) * picture[i, j, k] + s * picture[i, j + 1, k]
                            below = (1 - s) * picture[i + 1, j, k] + s * picture[i + 1, j + 1, k]
                            seen = (1 - t) * above + t * below
                            total[k] += p[4] * (p[3] * seen + (1 - p[3]) * p[5 + k])
                        covered += p[4]
                rest = 1.0 - covered / (samples * samples)
                for k in range(3):
                    out[frame, row, column, k] *= rest
                    out[frame, row, column, k] += total[k] / (samples * samples)


@compiled
def light_frames(verts, faces, albedo, harmonics, first, last, colours):
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
                light = w[0] + w[1] * x + w[2] * y + w[3] * z + w[4] * x * y + w[5] * y * z
                light += w[6] * x * z + w[7] * (x * x - y * y) + w[8] * z * z
                out[v, k] = skin[v, k] * light
