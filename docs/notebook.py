# %% [markdown]
# # cmgen from Python
# Draws a grid of performers for a sound, then plays the sound that a picture makes. Runs as a script
# (`python docs/notebook.py`), and cell by cell in Jupyter, VS Code or Spyder, which show the results.
#
# It needs trained models: `python -m cmgen.train --flagfile=s2i.flags --workdir=runs/s2i`, and the
# same with `i2s`.

# %%
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

import cmgen
from cmgen.generate.sources import read_sound
from cmgen.media.sound import write_sound

demo = Path(str(resources.files("cmgen"))) / "demo" / "test"
IN_NOTEBOOK = "get_ipython" in globals()
recording = min((demo / "violin").glob("*.mp4"))


def show(picture: np.ndarray, name: str) -> None:
    """Writes a picture, three times as large, and shows it where there is a notebook."""
    height, width = picture.shape[:2]
    image = Image.fromarray(picture).resize((3 * width, 3 * height), Image.Resampling.BICUBIC)
    image.save(name)
    if IN_NOTEBOOK:
        from IPython.display import display

        display(image)


# %% [markdown]
# ## Sound -> performer
# Three noises, two pictures a second: pictures are uint8 [times, seeds, height, width, 3].

# %%
model = cmgen.load("runs/s2i")
pictures = model.generate(recording, seeds=[0, 1, 2], fps=2)
rows = pictures.transpose(1, 2, 0, 3, 4)  # seeds, height, times, width, colours
show(rows.reshape(rows.shape[0] * rows.shape[1], -1, 3), "grid.png")

# %% [markdown]
# What the encoder hears, window by window:

# %%
sound = read_sound(recording, model.sample_rate)
length = model.metadata.window_samples
windows = sound[: len(sound) // length * length].reshape(-1, length)
encodings, probabilities = model.encode(windows)
for probability in probabilities[:3]:
    best = int(probability.argmax())
    print(f"{model.classes[best]}: {probability[best]:.0%}")

# %% [markdown]
# ## Performer -> sound
# A picture becomes a waveform, float32 [seeds, samples].

# %%
imagined = cmgen.load("runs/i2s")
waveform = imagined.generate(pictures[0, 0], seeds=[0], seconds=3.0)[0]
write_sound(Path("sound.wav"), waveform, imagined.sample_rate)
if IN_NOTEBOOK:
    from IPython.display import Audio, display

    display(Audio(waveform, rate=imagined.sample_rate))
