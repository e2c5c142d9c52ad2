"""Writes a run's functions for others: SavedModel, ONNX files, a client, parity and a card."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from cmgen.evaluate.report import headlines
from cmgen.export import functions, layout, quantize, saved_model
from cmgen.export import onnx as onnx_export
from cmgen.export.card import model_card
from cmgen.export.metadata import describe, to_text
from cmgen.export.samples import PARITY_WINDOWS, Samples, calibration_samples
from cmgen.models.run import Run
from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.files import explained_disk_errors, write_text

SMALLER = ("float16", "int8")
PARITY_FILE = "parity.json"
CONFIG_FILE = "models.config"
_CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class Exported:
    """The files that `export` wrote.

    Attributes:
      folder: the model's.
      saved_model: the new version's folder in it.
      onnx: the file of the whole way.
      parity: what parity.json holds.
    """

    folder: Path
    saved_model: Path
    onnx: Path
    parity: dict[str, Any]


def export(
    run: Run,
    output: Path,
    samples: Samples,
    scores: Mapping[str, Any],
    forms: Sequence[str] = (),
) -> Exported:
    """Writes OUTPUT/<next integer>/ (SavedModel), the ONNX files, client, parity and card.

    Everything is written aside and compared with the run's networks first, then renamed, so that
    a failure leaves OUTPUT as it was and a server never sees half a version.

    Args:
      run: of `load_run`, with the averaged generator.
      output: the model's base folder, e.g. exports/s2i; its name is the model's.
      samples: at least 2 windows to compare the forms on.
      scores: of `read_scores`, for the card; may be empty.
      forms: of SMALLER, to be written besides.
    """
    _check_ours(output)
    name = output.resolve().name
    module = functions.serving_module(run)
    metadata = describe(run, name, scores)
    conditions = samples.spread(PARITY_WINDOWS)
    inputs = {
        module.condition: conditions,
        "noise": functions.example_noise(module, len(conditions)),
    }
    with explained_disk_errors(output), _folder_aside(output) as aside:
        saved = aside / "saved"
        operations = saved_model.save(module, saved, metadata)
        graphs = _onnx_graphs(module, name, metadata)
        parity: dict[str, Any] = {
            "compared_on": samples.source,
            "windows": len(conditions),
            "tolerance": onnx_export.TOLERANCE,
            "saved_model": _saved_model_differences(saved, module, inputs),
            "onnx": _onnx_differences(module, name, graphs, inputs),
            "operations": operations,
        }
        if forms:
            smaller, parity["smaller"] = _smaller(run, module, graphs[name], samples, forms)
            graphs |= {f"{name}_{form}": model for form, model in smaller.items()}
        for stem, model in graphs.items():
            (aside / f"{stem}.onnx").write_bytes(model.SerializeToString())
        shutil.copyfile(_CLIENTS / f"{run.config.task}.py", aside / "client.py")
        (aside / PARITY_FILE).write_text(json.dumps(parity, indent=2) + "\n")
        (aside / "README.md").write_text(model_card(metadata, parity), encoding="utf-8")
        version = output / str(1 + max(layout.versions(output), default=0))
        (aside / layout.SUMS_FILE).write_text(_sums(aside, version.name), encoding="utf-8")
        _move_in(aside, output, version)
    _write_models_config(output.parent)
    return Exported(output, version, output / f"{name}.onnx", parity)


def _check_ours(output: Path) -> None:
    """Refuses a folder of somebody else's files, some of which an export would replace."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UserError(f"--output={output}: is a file; name a folder")
    facts = (output / str(n) / layout.METADATA_FILE for n in layout.versions(output))
    ours = (output / layout.SUMS_FILE).exists() or any(path.exists() for path in facts)
    if any(output.iterdir()) and not ours:
        raise UserError(
            f"--output={output}: holds files that cmgen.export did not write; name a new folder"
        )


def _write_models_config(exports: Path) -> None:
    """Writes models.config, unless somebody has changed it by hand."""
    path, text = exports / CONFIG_FILE, saved_model.models_config(exports)
    with explained_disk_errors(exports):
        if not path.exists() or saved_model.is_models_config(path.read_bytes()):
            write_text(path, text)
        elif path.read_text(encoding="utf-8", errors="replace") != text:
            print(f"note: {path}: left as it is, for cmgen.export did not write it", flush=True)


def read_scores(run: Run, path: str | None) -> dict[str, Any]:
    """Headlines that cmgen.evaluate wrote to `path`, or to the run's folder if None; else {}.

    Scores of another step would be false on the card, so they are refused if named and left out
    if it was not named.
    """
    source = Path(path) if path else run.workdir / "evaluation.json"
    if path is None and not source.is_file():
        return {}
    try:
        written = json.loads(source.read_text(encoding="utf-8"))
        step, scores = written["step"], headlines(written)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{source}: not a file of cmgen.evaluate ({error}); run it again"
        ) from error
    if step == run.step:
        return scores
    if path is None:
        return {}
    raise UserError(
        f"--scores={path}: of step {step}, but the run's weights are of step {run.step}; "
        "run cmgen.evaluate again"
    )


def _onnx_graphs(
    module: functions.ServingModule, name: str, metadata: Mapping[str, Any]
) -> dict[str, onnx.ModelProto]:
    """File's stem -> graph: the whole way, the encoder and the generator."""
    texts = {key: to_text(value) for key, value in metadata.items()}
    return {
        name + suffix: onnx_export.convert(function, name + suffix, texts)
        for suffix, function in module.functions(for_onnx=True).items()
    }


def _onnx_differences(
    module: functions.ServingModule,
    name: str,
    graphs: Mapping[str, onnx.ModelProto],
    inputs: onnx_export.Inputs,
) -> dict[str, dict[str, float]]:
    """File -> output -> largest difference from TensorFlow; refused above TOLERANCE."""
    encoding = module.encode(inputs[module.condition])["encoding"].numpy()
    fed: dict[str, onnx_export.Inputs] = {
        "": inputs,
        "_encoder": {module.condition: inputs[module.condition]},
        "_generator": {"encoding": encoding, "noise": inputs["noise"]},
    }
    return {
        f"{name}{suffix}.onnx": onnx_export.check_parity(
            graphs[name + suffix].SerializeToString(), function, fed[suffix]
        )
        for suffix, function in module.functions(for_onnx=False).items()
    }


def _saved_model_differences(
    folder: Path, module: functions.ServingModule, inputs: onnx_export.Inputs
) -> dict[str, float]:
    """Largest difference of the SavedModel on disk from the run; refused above TOLERANCE."""
    import tensorflow as tf

    signatures, _ = saved_model.load(folder)
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    actual = signatures["generate"](**tensors)[module.target]
    expected = module.generate(*inputs.values())[module.target]
    difference = onnx_export.difference(actual.numpy(), expected.numpy())
    if not difference <= onnx_export.TOLERANCE:
        raise UserError(
            f"the SavedModel differs from the run by {difference:.2g}; nothing was written",
            FAILED_WORK,
        )
    return {module.target: difference}


def _smaller(
    run: Run,
    module: functions.ServingModule,
    model: onnx.ModelProto,
    samples: Samples,
    forms: Sequence[str],
) -> tuple[dict[str, onnx.ModelProto], dict[str, Any]]:
    """The requested smaller forms of the whole model, and what they cost against float32."""
    models = {"float16": quantize.to_float16(model)} if "float16" in forms else {}
    if "int8" in forms:
        calibration = calibration_samples(run).conditions
        noise = functions.example_noise(module, len(calibration), seed=1)
        models["int8"] = quantize.to_int8(model, {module.condition: calibration, "noise": noise})
    noise = functions.example_noise(module, len(samples.conditions))
    serialized = {form: graph.SerializeToString() for form, graph in models.items()}
    measured = quantize.measure(
        {"float32": model.SerializeToString()} | serialized,
        {module.condition: samples.conditions, "noise": noise},
        _accuracy_of(run, samples),
    )
    return models, {"windows": len(samples.conditions), "threads": 1, **measured}


def _accuracy_of(run: Run, samples: Samples) -> Any:
    """Share of targets whose class the run's verifier names; None where it can't tell."""
    labels = samples.labels
    if run.verifier is None or labels is None:
        return None
    verifier = run.verifier

    def accuracy(targets: np.ndarray) -> float:
        parts = [verifier(targets[i : i + 64]).numpy() for i in range(0, len(targets), 64)]
        return float((np.concatenate(parts).argmax(axis=-1) == labels).mean())

    return accuracy


@contextmanager
def _folder_aside(output: Path) -> Iterator[Path]:
    """A folder inside `output` that is removed in the end, as `output` is if nothing came into it."""
    existed = output.is_dir()
    output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=output, prefix=".writing-") as aside:
            yield Path(aside)
    finally:
        if not existed and not any(output.iterdir()):
            output.rmdir()


def _sums(aside: Path, version: str) -> str:
    """The checksum of every file, as `sha256sum -c` reads them in the model's folder."""
    lines = []
    for path in sorted(path for path in aside.rglob("*") if path.is_file()):
        name = path.relative_to(aside).as_posix()
        name = f"{version}/{name.removeprefix('saved/')}" if name.startswith("saved/") else name
        lines.append(layout.sum_line(name, path.read_bytes()))
    return "".join(lines)


def _move_in(aside: Path, output: Path, version: Path) -> None:
    """Renames the new files into place; smaller forms of an older export go."""
    for form in SMALLER:
        (output / f"{output.resolve().name}_{form}.onnx").unlink(missing_ok=True)
    for path in [path for path in aside.iterdir() if path.is_file()]:
        path.replace(output / path.name)
    (aside / "saved").rename(version)
