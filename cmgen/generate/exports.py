"""The exported models in a folder."""

from pathlib import Path

from cmgen.export.layout import newest
from cmgen.generate import networks
from cmgen.generate.model import Model
from cmgen.utils.errors import UserError


def find_models(folder: Path) -> tuple[dict[str, Model], list[str]]:
    """The exported models in a folder, and what is wrong with those that can't be used.

    Args:
      folder: has a folder for each model, e.g. exports; or is that of one model.

    Returns:
      models: name of its folder -> model.
      problems: a sentence for each folder that looks like a model and isn't one.

    Raises:
      UserError: there is no model at all.
    """
    remedy = f"make one: python -m cmgen.export --workdir=runs/s2i --output={folder / 's2i'}"
    if not folder.is_dir():
        raise UserError(f"--exports={folder}: no such folder; {remedy}")
    models, problems = {}, []
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    for path in [folder] if looks_like_an_export(folder) else filter(looks_like_an_export, inside):
        try:
            models[path.resolve().name] = Model(*networks.of_export(path))
        except UserError as error:
            problems.append(str(error))
    if not models:
        reason = "; ".join(problems) or "has no exported model"
        raise UserError(f"--exports={folder}: {reason}; {remedy}")
    return models, problems


def looks_like_an_export(folder: Path) -> bool:
    """Whether a folder holds what cmgen.export writes, good or bad."""
    return folder.is_dir() and (any(folder.glob("*.onnx")) or newest(folder) is not None)
