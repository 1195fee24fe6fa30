"""A series of one notebook that takes seconds, for the tests of the panel: slow enough to stop."""

from pipeline_toys import PARAMETERS

from tfhkit.teach.build import build

PAINT = """
# %%
import time

import numpy as np

from tfhkit.media import write_video
from tfhkit.pipeline import open_step

step = open_step("05_paint", globals())
step.clip_path.stat()
done = step.dir / "half.txt"  # where a stopped run resumes
for i in range(30 if done.exists() else 0, 40):
    time.sleep(0.1)
    step.progress(i + 1, 40, "painting")
    if i == 4:
        step.path("half.txt").write_text("half")
frames = np.zeros((25, 64, 96, 3), np.uint8)
frames[..., 0], frames[:, 20:40] = 180, np.linspace(60, 255, 96)[:, None]
sound = 0.2 * np.sin(np.arange(16000) / 8)
write_video(step.path("talking_head_speech.mp4"), frames, 25, sound.astype(np.float32))
step.finish({"frames": 25})
"""


def slow_notebooks(folder):
    """Build the notebook below `folder`; gives the folder."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "05_paint.py").write_text(PARAMETERS + PAINT)
    build(folder)
    return folder
