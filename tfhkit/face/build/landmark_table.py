"""The 68 iBUG landmarks as vertices of MakeHuman's base mesh.

Found by dlib's predictor on shaded renderings of the mean head under many lights, poses and
expressions, then moved to the anatomy: lid margins, canthi, borders of the lips. Left is the
subject's left (x > 0). A pair (a, b) stands for the middle of the edge a-b, which is a vertex of
the refined mesh; the base mesh has `a` in its place.
"""

# Landmarks on the midline and on the left side: landmark -> vertex or edge.
MIDLINE = {
    8: 732, 27: 132, 28: 131, 29: (164, 201), 30: 294, 33: 317,
    51: 466, 57: 492, 62: 474, 66: 493,
}  # fmt: skip
LEFT = {
    9: (7616, 7620), 10: 11901, 11: 11903, 12: (7455, 11849), 13: (7456, 7612), 14: (11792, 11815),
    15: 11798, 16: (7036, 11806), 22: (6984, 6995), 23: (6980, 6983), 24: (6979, 6996),
    25: (6998, 6999),
    26: 6987, 34: 7076, 35: 7105, 42: 13365, 43: 6838, 44: 6784,
    45: 7781, 46: 13372, 47: 13368, 52: 7219, 53: 11953, 54: 7187,
    55: (7166, 7235), 56: 7241, 63: 7228, 64: (7198, 7231), 65: 7242,
}  # fmt: skip
# Middle line of the left brow's hair, from the nose outwards.
LEFT_BROW = (6984, 6956, 6979, 6981, 6987)
# The landmark on the other side, iBUG order.
OTHER_SIDE = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
