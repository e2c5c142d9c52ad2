"""The model card: generated from a run's settings and scores, so that it cannot drift from them."""

import json
from collections.abc import Mapping
from typing import Any

from cmgen.export.onnx import IR_VERSION, OPSET

# What differs between the two directions.
_WORDS: dict[str, dict[str, str]] = {
    "s2i": {
        "tag": "audio-to-image",
        "does": "Turns {window} s of sound into a picture of who plays it",
        "evaluation": "A classifier trained on real training pictures alone names the instrument in "
        "each generated picture; windows in which nothing sounds are left out.",
        "limits": "It knows the instruments, players and rooms of its training data and shows the\n"
        "nearest of them for any sound, also for sounds that are no instrument. The people in its\n"
        "pictures are as real as those of its training data: they are no record of who played.",
        "input_row": "`waveform` | float32 [batch, {samples}] | {rate} Hz mono, in [-1, 1]",
        "output_row": "`image` | float32 [batch, {size}, {size}, 3] | RGB in [-1, 1]",
        "noise": "fixed, the same player moves",
        "condition_bytes": "audio_bytes",
        "made_bytes": "image_bytes",
        "files": "`audio_bytes` is 16-bit PCM WAV of any channel count, 1 to 384 kHz, from 0.5 s on; "
        "its middle\nhalf second counts. `image_bytes` is a PNG.",
        "needs": "numpy, onnxruntime, Pillow, soundfile and soxr",
        "input": "recording.wav",
        "output": "picture.png",
    },
    "i2s": {
        "tag": "image-to-audio",
        "does": "Turns a picture of a player into the log-mel spectrogram (LMS) of {window} s of sound "
        "that fits it",
        "evaluation": "A classifier trained on real training sounds alone names the instrument in each "
        "generated sound; windows in which nothing sounds are left out.",
        "limits": "It knows the instruments, players and rooms of its training data and gives the\n"
        "nearest of them for any picture, also where nobody plays. The sound is no record of what was\n"
        "played. Griffin-Lim estimates the phases, so tones are a little blurred.",
        "input_row": "`image` | float32 [batch, {size}, {size}, 3] | RGB in [-1, 1]",
        "output_row": "`lms` | float32 [batch, {mels}, {frames}] | {floor} to {ceiling} dB as [-1, 1]",
        "noise": "one of the sounds that fit",
        "condition_bytes": "image_bytes",
        "made_bytes": "audio_bytes",
        "files": "`image_bytes` is PNG, JPEG, GIF or BMP; the largest centred square counts. "
        "`audio_bytes` is 16-bit\nWAV, {rate} Hz, mono, {window} s.",
        "needs": "numpy, onnxruntime, Pillow and soundfile",
        "input": "photo.jpg",
        "output": "sound.wav",
    },
}

_CARD = """\
{front}
# {name}

{does}:
a conditional GAN trained with cmgen, after Chen et al., "Deep Cross-Modal Audio-Visual Generation"
(2017). Averaged generator weights of step {step}, seed {seed}, trained on `{data}`{how};
exported {created}.

**Classes:** {classes}.

## Intended use and limits
For research and demonstration. {limits}
Licence: Apache-2.0.

## Evaluation
{scores}

{evaluation} The interval comes from a bootstrap over recordings.

## Tensors
| name | type | meaning |
|---|---|---|
| input {input_row} |
| input `noise` | float32 [batch, {noise_size}] | standard normal; {noise} |
| output {output_row} |

`{name}.onnx` is the whole way, `{name}_encoder.onnx` gives `encoding` and `probabilities` of the
classes, `{name}_generator.onnx` goes on from `encoding` and `noise` (opset {opset}, IR {ir}, symbolic
`batch`). {parity}

{smaller}## How to call it
With {needs}: `python client.py {input} {output}`.

TensorFlow Serving takes the folder above `1/`, `2/`, ...; all operations are TensorFlow's own.
There is no image of it for ARM; use `client.py` there.
{files}

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `{condition_bytes}` | `{made_bytes}` |
| `from_seed` | `{condition_bytes}`, `seed` (int64, one for each) | `{made_bytes}` |
| `generate` | `{given_name}`, `noise` | `{made_name}` |
| `encode` | `{given_name}` | `encoding`, `probabilities` |

```sh
docker run -d -p 8500:8500 -p 8501:8501 -v "$PWD:/models/{name}" -e MODEL_NAME={name} tensorflow/serving
echo "{{\\"instances\\": [{{\\"b64\\": \\"$(base64 -w0 {input})\\"}}]}}" > request.json
curl -s -d @request.json http://localhost:8501/v1/models/{name}:predict > answer.json
python3 -c 'import base64, json, sys
answer = json.load(sys.stdin)["predictions"][0]["b64"]
sys.stdout.buffer.write(base64.b64decode(answer))' < answer.json > {output}
```

By gRPC, with the package tensorflow-serving-api:
```python
import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

service = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel("localhost:8500"))
request = predict_pb2.PredictRequest()
request.model_spec.name = "{name}"
with open("{input}", "rb") as file:
    request.inputs["{condition_bytes}"].CopyFrom(tf.make_tensor_proto([file.read()]))
answer = service.Predict(request, timeout=60)
with open("{output}", "wb") as file:
    file.write(answer.outputs["{made_bytes}"].string_val[0])
```

Versions: {versions}.
"""


def model_card(metadata: Mapping[str, Any], parity: Mapping[str, Any]) -> str:
    """Markdown text of the card, with the front matter that model hubs read.

    Args:
      metadata: of `describe`.
      parity: what parity.json holds.
    """
    sound = metadata["sound"]
    numbers = {
        "window": f"{metadata['window_samples'] / metadata['sample_rate']:g}",
        "samples": metadata["window_samples"],
        "rate": metadata["sample_rate"],
        "size": metadata["image_size"],
        "mels": sound["n_mels"],
        "frames": 1 + metadata["window_samples"] // sound["hop_length"],
        "floor": f"{sound['floor_db']:g}",
        "ceiling": f"{sound['ceiling_db']:g}",
    }
    words = {key: text.format(**numbers) for key, text in _WORDS[metadata["task"]].items()}
    worst = max(value for outputs in parity["onnx"].values() for value in outputs.values())
    return _CARD.format(
        front=_front_matter(metadata, words["tag"]),
        **{key: metadata[key] for key in ("name", "step", "seed", "data", "created", "noise_size")},
        how=_how(metadata),
        classes=", ".join(metadata["classes"]),
        scores=_score_table(metadata["scores"]),
        opset=OPSET,
        ir=IR_VERSION,
        given_name="waveform" if metadata["task"] == "s2i" else "image",
        made_name="image" if metadata["task"] == "s2i" else "lms",
        parity=f"onnxruntime and TensorFlow differ by at most {worst:.1e} on "
        f"{parity['windows']} {parity['compared_on']} (parity.json).",
        smaller=_smaller_table(metadata["name"], parity),
        versions=", ".join(f"{k} {v}" for k, v in metadata["versions"].items()),
        **words,
    )


def _how(metadata: Mapping[str, Any]) -> str:
    """What differs from the usual run."""
    notes = ["every mismatched pair from the same recording"] if metadata["pose"] else []
    notes += ["conditioned on the class alone"] if metadata["condition"] == "label" else []
    return f" ({'; '.join(notes)})" if notes else ""


def _front_matter(metadata: Mapping[str, Any], tag: str) -> str:
    """YAML of a model hub's card; the metrics' values are the run's scores."""
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: tf-keras",
        f"tags: [{tag}, gan, cross-modal, onnx, cmgen]",
        f"datasets: [{json.dumps(metadata['data'])}]",
        "model-index:",
        f"- name: {json.dumps(metadata['name'])}",
        "  results:",
    ]
    scores = {k: v for k, v in metadata["scores"].items() if k.startswith("accuracy_")}
    splits = [k.removeprefix("accuracy_") for k in scores if not k.endswith("_ci95")]
    for split in splits:
        low_high = scores.get(f"accuracy_{split}_ci95")
        spread = f" (95 % interval {_number(low_high)})" if low_high else ""
        data = json.dumps(metadata["data"])
        lines += [
            f"  - task: {{type: {tag}}}",
            f"    dataset: {{name: {data}, type: {data}, split: {split}}}",
            f"    metrics: [{{type: accuracy, value: {_number(scores[f'accuracy_{split}'])}, "
            f'name: "recognised by the verifier{spread}"}}]',
        ]
    if not splits:
        lines[-1] = "  results: []"
    return "\n".join([*lines, "---"])


def _smaller_table(name: str, parity: Mapping[str, Any]) -> str:
    """What float16 and int8 cost and gain; empty where they were not asked for."""
    measured = parity.get("smaller")
    if not measured:
        return ""
    rows = [
        f"| `{name}{'' if form == 'float32' else '_' + form}.onnx` | {row['bytes'] / 1e6:.1f} MB | "
        f"{_number(row['verifier_accuracy']) if 'verifier_accuracy' in row else '–'} | "
        f"{row['mean_difference']:.4f} | {row['p50_ms']:.1f} ms |"
        for form, row in measured.items()
        if isinstance(row, dict)
    ]
    head = "| file | size | recognised by the verifier | mean difference | one item, one thread |"
    return "\n".join(
        [
            f"Measured on {measured['windows']} {parity['compared_on']}, at export:",
            "",
            head,
            "|---|---|---|---|---|",
            *rows,
            "",
            "",
        ]
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
