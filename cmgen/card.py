"""The model card: generated from a run's settings and scores, so that it cannot drift from them."""

from collections.abc import Mapping
from typing import Any

from cmgen.onnx_export import IR_VERSION, OPSET

_CARD = """\
---
license: apache-2.0
library_name: tf-keras
tags: [audio-to-image, gan, cmgen]
---
# {name}

Turns {window} s of sound into a picture of who plays it: a conditional GAN trained with cmgen,
after Chen et al., "Deep Cross-Modal Audio-Visual Generation" (2017). Averaged generator weights of
step {step}, seed {seed}, trained on `{data}`.

**Classes:** {classes}.

## Intended use and limits
For research and demonstration. It knows the instruments, players and rooms of its training data
and shows the nearest of them for any sound, also for sounds that are no instrument. The people in
its pictures are as real as those of its training data: don't take them for a record of who played.

## Evaluation
{scores}

A classifier trained on real training pictures alone names the instrument in each generated
picture; windows in which nothing sounds are left out. The interval comes from a bootstrap over
recordings.

## Interface
| name | type | meaning |
|---|---|---|
| input `waveform` | float32 [batch, {samples}] | {rate} Hz mono, in [-1, 1] |
| input `noise` | float32 [batch, {noise}] | standard normal; fixed, the same player moves |
| output `image` | float32 [batch, {size}, {size}, 3] | RGB in [-1, 1] |

`1/`, `2/`, ... are SavedModels made of core TensorFlow operations; TF Serving takes this folder.
Signatures: `serving_default` as above; `generate_png` (same inputs; output `image_bytes`, PNG
files); `encode` (`waveform` -> `encoding`, `probabilities` of the classes).
`{name}.onnx` is `serving_default` in one graph (opset {opset}, IR {ir}, symbolic `batch`);
onnxruntime and TensorFlow differ by at most {parity:.1e} on the windows tried at export.

```python
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("{name}.onnx")
waveform = np.zeros((1, {samples}), np.float32)  # your sound
noise = np.random.default_rng(0).standard_normal((1, {noise})).astype(np.float32)
image, = session.run(["image"], {{"waveform": waveform, "noise": noise}})
pixels = ((image[0] + 1) * 127.5).round().astype(np.uint8)
```

Versions: {versions}.
"""


def model_card(name: str, facts: Mapping[str, Any], parity: float) -> str:
    """Markdown text of the card.

    Args:
      name: the model's name.
      facts: of `exporting.describe`.
      parity: largest difference between onnxruntime and TensorFlow.
    """
    return _CARD.format(
        name=name,
        window=f"{facts['window_samples'] / facts['sample_rate']:g}",
        step=facts["step"],
        seed=facts["seed"],
        data=facts["data"],
        classes=", ".join(facts["classes"]),
        scores=_score_table(facts["scores"]),
        samples=facts["window_samples"],
        rate=facts["sample_rate"],
        noise=facts["noise_size"],
        size=facts["image_size"],
        opset=OPSET,
        ir=IR_VERSION,
        parity=parity,
        versions=", ".join(f"{k} {v}" for k, v in facts["versions"].items()),
    )


def _score_table(scores: Mapping[str, Any]) -> str:
    if not scores:
        return "This run has not been evaluated: run `python -m cmgen.evaluate` and export again."
    rows = [f"| `{key}` | {_number(value)} |" for key, value in scores.items()]
    return "\n".join(["| score | value |", "|---|---|", *rows])


def _number(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(_number(part) for part in value)
    return str(value) if isinstance(value, int) else f"{value:.4f}"
