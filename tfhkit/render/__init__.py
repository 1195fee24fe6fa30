"""From vertices to pictures: rasterisers behind one seam, shading, albedo (Sec. 3.3.1)."""

from tfhkit.render.albedo import choose_albedo_frame, detailed_albedo, eyes_open
from tfhkit.render.fragments import Fragments, barycentric, interpolate, rasterize
from tfhkit.render.shading import render, render_map

__all__ = [
    "Fragments",
    "barycentric",
    "choose_albedo_frame",
    "detailed_albedo",
    "eyes_open",
    "interpolate",
    "rasterize",
    "render",
    "render_map",
]
