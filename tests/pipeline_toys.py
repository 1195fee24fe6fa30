"""Two tiny notebooks in a folder of their own, for the tests of the runner."""

from tfhkit.teach.build import build

PARAMETERS = """
# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the sound track; 0 chooses
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code)
seed: int = 0  # random seed
"""

FIRST = (
    PARAMETERS
    + """power: int = 2  # exponent
loud: bool = False  # say more

# %%
from tfhkit.errors import InputError
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("00_first", globals())
if power > 5:
    raise InputError("power", f"is {power}", "take at most 5")

# %%
size = step.clip_path.stat().st_size
step.path("size.txt").write_text(str(size**power))
step.progress(1, 1, "counting")
step.finish({"size": size}, backends={"counting": "fingers"})

# %% tags=["exercise"]
from tfhkit.teach import NotAttempted, check


def double(x):
    ### solution
    return 2 * x
    ### wrong
    # return x
    ### end


# %% tags=["check"]
check("double", double, [(1, 2), (3, 6)])
"""
)

SECOND = (
    PARAMETERS
    + """rate: float = 0.5  # a share
word: str = "so"  # any

# %%
from tfhkit.pipeline import open_step

step = open_step("01_second", globals())
text = step.input("00_first", "size.txt").read_text()
assert rate != 0.13, "an unforeseen thing"
step.path("text.txt").write_text(f"{text} {rate} {word} {step.speech_path.stat().st_size}")
step.finish({"rate": rate})
"""
)


def toy_notebooks(folder):
    """Build the two notebooks below `folder`; gives the folder."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "00_first.py").write_text(FIRST)
    (folder / "src" / "01_second.py").write_text(SECOND)
    build(folder)
    return folder
