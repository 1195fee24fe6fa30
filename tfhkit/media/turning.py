"""Pictures turned upright: the display matrix that a camera stores with them."""

import numpy as np
from av import VideoFrame
from jaxtyping import Shaped

Matrix = tuple[int, int, int, int]
UPRIGHT: Matrix = (1, 0, 0, 1)
_QUARTERS = (UPRIGHT, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))  # turns to the left
EIGHT: tuple[Matrix, ...] = tuple(
    matrix for one in (1, -1) for other in (1, -1)
    for matrix in ((one, 0, 0, other), (0, one, other, 0))
)  # fmt: skip


def display_matrix(frame: VideoFrame) -> Matrix:
    """(a, b, c, d) of the frame: shown x = a x + c y, shown y = b x + d y; a turn by quarters.

    Other angles are rounded to the nearest quarter, as no player crops or pads for them.
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV knows no name for some other data of the frame, such as EXIF
        return quarter_turn(frame)
    if data is None:
        return UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32, 9).tolist()  # type: ignore[call-overload]
    if not (a or b or c or d):
        return UPRIGHT
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def quarter_turn(frame: VideoFrame) -> Matrix:
    """The frame's turn alone, without a mirroring."""
    return _QUARTERS[round(frame.rotation / 90) % 4]


def is_sideways(matrix: Matrix) -> bool:
    """Whether width and height change places."""
    return matrix[0] == 0


def turned(pixels: Shaped[np.ndarray, "H W C"], matrix: Matrix) -> Shaped[np.ndarray, "h w C"]:
    """The pixels as they are shown; one of the eight turns and mirrorings."""
    a, b, c, d = matrix
    if is_sideways(matrix):
        return np.ascontiguousarray(pixels.swapaxes(0, 1)[::b, ::c])
    return np.ascontiguousarray(pixels[::d, ::a])
