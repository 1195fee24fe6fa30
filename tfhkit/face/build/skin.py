"""Albedo of random people from melanin, haemoglobin and region maps (build time only).

The model has no photographs behind it. Skin follows a Beer-Lambert law with two pigments; lips,
brows, eyes, stubble, hair and the inside of the mouth are painted over it by the maps.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from tfhkit.face.build.eyeballs import IRIS_DEG, PUPIL_DEG
from tfhkit.maths import smoothstep

# Linear RGB of skin without pigments, and absorption per unit of pigment.
DERMIS = np.array([0.92, 0.86, 0.80])
MELANIN = np.array([1.0, 1.25, 1.7])
HAEMOGLOBIN = np.array([0.10, 1.0, 0.80])
N_FIELDS = 40
DARK = np.array([0.15, 0.06, 0.055])  # sRGB of the mouth's depth
SOCKET = np.array([0.60, 0.46, 0.43])  # sRGB of the eye's corners, behind the lids


def to_srgb(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear RGB to sRGB values in [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def skin_colour(
    melanin: Float[np.ndarray, "*shape"], haemoglobin: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape 3"]:
    """sRGB (..., 3) of skin with pigment amounts (...,)."""
    absorbed = melanin[..., None] * MELANIN + haemoglobin[..., None] * HAEMOGLOBIN
    return to_srgb(DERMIS * np.exp(-absorbed))


def smooth_fields(
    verts: Float[np.ndarray, "V 3"], rng: np.random.Generator
) -> Float[np.ndarray, "n V"]:
    """Blotches: N_FIELDS random smooth fields (N_FIELDS, V) of unit variance, several sizes."""
    fields = []
    for i in range(N_FIELDS):
        size = np.geomspace(0.6, 0.02, N_FIELDS)[i]
        waves = rng.standard_normal((48, 3)) / size
        phase = rng.uniform(0, 2 * np.pi, 48)
        fields.append(np.cos(verts @ waves.T + phase).mean(1) * np.sqrt(96))
    return np.stack(fields)


def paint(
    maps: dict[str, np.ndarray],
    fields: Float[np.ndarray, "n V"],
    sky: Float[np.ndarray, "V"],
    part: Shaped[np.ndarray, "V"],
    verts: Float[np.ndarray, "V 3"],
    person: dict[str, Any],
) -> Float[np.ndarray, "V 3"]:
    """Albedo (V, 3) in sRGB of one person.

    Args:
        maps: `head_maps.soft_maps`; fields: smooth random fields; sky: ambient occlusion (V,).
        part: (V,) names; verts: (V, 3); person: dict of `sample_person`.
    """
    p = person
    melanin = p["melanin"] * np.exp(0.11 * (p["melanin_fields"] @ fields) / np.sqrt(N_FIELDS))
    blood = p["blood"] * np.exp(0.16 * (p["blood_fields"] @ fields) / np.sqrt(N_FIELDS))
    blood = blood + p["blush"] * (maps["cheeks"] + 1.1 * maps["nose_tip"] + 0.7 * maps["ears"])
    melanin = melanin * (1 + p["eye_rings"] * maps["under_eye"])
    blood = blood + 0.5 * p["eye_rings"] * maps["under_eye"]
    blood = blood + 0.35 * np.maximum(maps["lower_lash"], 0.6 * maps["upper_lash"])
    lips = smoothstep(0.45, 0.95, maps["lips"])
    melanin = melanin * (1 + lips * p["lip_melanin"])
    blood = blood + lips * (p["lip_blood"] + 0.12 * maps["upper"])
    colour = skin_colour(melanin, blood)

    def cover(colour, amount, paint_colour):
        return colour + amount[:, None] * (paint_colour - colour)

    hair = p["hair"]
    colour = cover(colour, np.clip(p["stubble"] * maps["beard"], 0, 0.9), 0.55 * hair + 0.10)
    scalp = maps["scalp"] * p["hair_cover"]
    streaks = 1 + 0.12 * fields[-1] * maps["scalp"]
    colour = cover(colour, scalp, hair * streaks[:, None] + 0.01)
    strength = np.clip(p["brow"] * maps["brow"] ** p["brow_thin"], 0, 1)
    strength *= smoothstep(-0.02, 0.12, maps["brow_place"] + 0.06)
    colour = cover(colour, strength, 0.75 * hair + 0.02)
    colour = cover(colour, maps["eye_socket"], SOCKET * p["sclera"])
    lash = np.clip(0.85 * maps["upper_lash"] + 0.35 * maps["lower_lash"], 0, 0.85)
    colour = cover(colour, lash * p["lash"], 0.3 * hair + 0.06)

    shade = (0.45 + 0.55 * smoothstep(0.0, 0.55, sky)) * (1 - 0.3 * maps["mouth_corners"])
    colour = colour * np.maximum(shade, 0.9 * maps["eye_socket"])[:, None]
    inside = np.clip((verts[:, 2:] + 0.45) / 0.7, 0, 1) ** 1.5  # light that gets into the mouth
    cavity = np.array([0.34, 0.12, 0.11]) * (0.12 + 0.88 * inside)
    colour = cover(colour, maps["mouth_cavity"], cavity)
    tongue = np.array([0.64, 0.35, 0.34]) * (0.15 + 0.85 * inside)
    colour = np.where((part == "tongue")[:, None], tongue, colour)
    return _eyes(_teeth(colour, part, verts, p), maps, p)


def _teeth(colour, part, verts, p):
    """Ivory towards the biting edge, gums at the roots; molars lie in the dark of the mouth."""
    for name, up in (("upper_teeth", 1.0), ("lower_teeth", -1.0)):
        ids = part == name
        height = up * verts[ids, 1]
        height = (height - height.min()) / np.ptp(height)
        root = smoothstep(0.62, 0.8, height)
        edge = 0.72 + 0.28 * smoothstep(0.0, 0.16, height)[:, None]
        tooth = np.array([0.90, 0.85, 0.76]) * p["tooth"] * edge
        gum = np.array([0.62, 0.33, 0.31])
        front = verts[ids, 2].max()
        light = 0.8 * smoothstep(front - 0.27, front - 0.03, verts[ids, 2:])
        colour[ids] = DARK + light * (tooth + root[:, None] * (gum - tooth) - DARK)
    return colour


def _eyes(colour, maps, p):
    """Sclera, iris with a dark rim, pupil; shaded under the upper lid by the fit of light."""
    angle = maps["eye_angle"]
    ids = angle < 179
    a = angle[ids]
    sclera = np.array([0.80, 0.77, 0.745]) * p["sclera"]
    sclera = sclera - smoothstep(35, 80, a)[:, None] * np.array([0.12, 0.22, 0.22])
    rim = smoothstep(14, IRIS_DEG, a)[:, None]
    iris = p["iris"] * (1.15 - 0.6 * rim)
    eye = iris + smoothstep(IRIS_DEG - 0.6, IRIS_DEG + 1.8, a)[:, None] * (sclera - iris)
    pupil = np.array([0.035, 0.03, 0.03])
    eye = pupil + smoothstep(PUPIL_DEG - 0.8, PUPIL_DEG + 0.8, a)[:, None] * (eye - pupil)
    colour[ids] = eye
    return colour


def sample_person(rng: np.random.Generator) -> dict[str, Any]:
    """Random pigments and habits of one adult."""
    melanin = np.clip(np.exp(rng.normal(np.log(0.58), 0.5)), 0.2, 2.2)
    male = rng.random() < 0.5
    dark = np.clip(rng.normal(0.55 + 0.5 * np.log(melanin / 0.35), 0.45), 0, 1)
    grey = np.clip(rng.normal(-0.2, 0.5), 0, 1)
    hair = np.array([0.47, 0.36, 0.25]) * (1 - dark) + np.array([0.09, 0.07, 0.06]) * dark
    hair = hair + grey * (np.array([0.53, 0.51, 0.48]) - hair)
    brown = np.clip(rng.normal(0.45 + 0.7 * np.log(melanin / 0.35), 0.5), 0, 1)
    blue, green = np.array([0.36, 0.43, 0.46]), np.array([0.37, 0.40, 0.31])
    light_iris = blue if rng.random() < 0.6 else green
    return {
        "melanin": melanin,
        "blood": np.clip(rng.normal(0.33, 0.06), 0.15, 0.6),
        "melanin_fields": rng.standard_normal(N_FIELDS),
        "blood_fields": rng.standard_normal(N_FIELDS),
        "blush": np.clip(rng.normal(0.12, 0.08), 0, 0.4),
        "eye_rings": np.clip(rng.normal(0.14, 0.10), 0, 0.5),
        "lip_blood": np.clip(rng.normal(0.30 if male else 0.45, 0.15), 0.1, 1.2),
        "lip_melanin": np.clip(rng.normal(0.15, 0.12), -0.1, 0.6),
        "stubble": np.clip(rng.normal(0.25, 0.22), 0, 0.85) if male else 0.0,
        "hair": np.clip(hair, 0.03, 0.8),
        "hair_cover": 1.0 if not male else float(rng.random() < 0.8) * 0.8 + 0.2,
        "brow": np.clip(rng.normal(0.80, 0.15), 0.25, 1.0),
        "brow_thin": np.exp(rng.normal(0.0, 0.35)),
        "lash": np.clip(rng.normal(0.85, 0.15), 0.3, 1.0),
        "iris": light_iris + brown * (np.array([0.24, 0.145, 0.09]) - light_iris),
        "sclera": np.clip(rng.normal(1.0, 0.04), 0.85, 1.1),
        "tooth": np.clip(rng.normal(1.0, 0.05), 0.8, 1.1),
    }


def texture_basis(
    maps: dict[str, np.ndarray],
    sky: Float[np.ndarray, "V"],
    part: Shaped[np.ndarray, "V"],
    verts: Float[np.ndarray, "V 3"],
    rng: np.random.Generator,
    n_people: int = 900,
    n_components: int = 80,
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "K V 3"], float]:
    """Mean (V, 3) and components (80, V, 3) of unit variance of random people's albedo."""
    fields = smooth_fields(verts, rng)
    people = np.stack(
        [paint(maps, fields, sky, part, verts, sample_person(rng)) for _ in range(n_people)]
    ).astype(np.float32)
    mean = people.mean(0)
    flat = (people - mean).reshape(n_people, -1)
    values, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    top = np.argsort(values)[::-1][:n_components]
    kept = float(values[top].sum() / values.sum())
    basis = (vectors[:, top].T @ flat) / np.sqrt(n_people)
    basis *= np.sign(basis.sum(1, keepdims=True))
    return mean, basis.reshape(n_components, -1, 3), kept
