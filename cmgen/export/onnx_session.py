"""ONNX files opened without following them to other files. No TensorFlow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime

from cmgen.export.layout import AGAIN, check_sums
from cmgen.utils.errors import UserError


def open_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """The network in a file of cmgen.export, on the processor.

    Args:
      path: the file.
      threads: of one call; 0 takes all cores.

    ONNX lets a file name others that hold its weights. Ours hold their own, so that such a name is
    refused before anything is opened by it.

    Raises:
      UserError: there is no such file, it was changed, names another one, or is no ONNX file.
    """
    import onnx  # takes a while, and only opening needs it
    from google.protobuf.message import DecodeError

    try:
        data = path.read_bytes()
        check_sums(path.parent, [(path.name, data)])
        named = list(_other_files(onnx.load_from_string(data)))
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror}); {AGAIN}") from error
    except DecodeError as error:
        raise UserError(f"{path}: not a readable ONNX file ({error}); {AGAIN}") from error
    if named:
        raise UserError(
            f"{path}: names another file, {named[0]!r}, for its weights, which exports of cmgen "
            f"never do; {AGAIN}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # The arena never gives memory back, and spinning threads slow down other requests.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Of the bytes that were looked at, not of what may lie there by now.
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class but this one.
        raise UserError(f"{path}: not a readable ONNX file ({error}); {AGAIN}") from error


def _other_files(message: Any) -> Iterator[str]:
    """Locations of external data anywhere in a message: graphs hold graphs and functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        if message.data_location == message.EXTERNAL or message.external_data:
            yield next((e.value for e in message.external_data if e.key == "location"), "")
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for one in [value] if hasattr(value, "DESCRIPTOR") else value:  # repeated ones have none
            yield from _other_files(one)
