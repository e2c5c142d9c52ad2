"""Files on this machine, or on any file system that Beam or TensorFlow knows (extra [beam]).

Schemes for which Beam has no file system, such as ram://, or gs:// without apache-beam[gcp], use
TensorFlow's. FFmpeg and TFRecord writers need real files: they work on copies in a scratch folder.
"""

import contextlib
import posixpath
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import tensorflow as tf
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from cmgen.prepare.listing import Listing, RawFile, is_address, list_folder, make_listing
from cmgen.utils.errors import UserError
from cmgen.utils.files import atomic_folder, explained_disk_errors

_PLAIN = CompressionTypes.UNCOMPRESSED


def list_anywhere(folder: str) -> Listing:
    """Lists all files of a raw folder with their sizes."""
    if not is_address(folder):
        return list_folder(Path(folder), skip_bad_files=True)
    matches = _match(folder, "**")
    if not matches:
        raise UserError(f"{folder}: no such folder, or an empty one; give a folder of videos")
    start = len(folder) + 1
    return make_listing(folder, [RawFile(f.path[start:], f.size_in_bytes) for f in matches])


def names(folder: str, pattern: str) -> set[str]:
    """Returns the names of files directly in a folder that match a pattern such as *.tfrecord."""
    return {match.path.rpartition("/")[2] for match in _match(folder, pattern)}


@contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Yields a folder to write into, which becomes `path`, or is removed on failure.

    On this machine it is a temporary one, renamed at the end. Elsewhere folders can't be renamed
    atomically, so it is `path` itself: readers must wait for the file that is written last.
    """
    _check_name(path)
    if not is_address(path):
        with atomic_folder(Path(path).absolute()) as folder:
            yield str(folder)
        return
    if _match(path, "**"):
        raise UserError(f"{path}: is not empty; remove what is in it or name another folder")
    try:
        yield path
    except BaseException:
        # What can't be removed must hide no error, and is no dataset.
        with contextlib.suppress(Exception):
            FileSystems.delete([match.path for match in _match(path, "**")])
        raise


@contextmanager
def scratch(folder: str = "") -> Iterator[Path]:
    """Yields a temporary folder of this machine, on the disk of `folder` if that is local."""
    where = folder if folder and not is_address(folder) else None
    with TemporaryDirectory(prefix=".", suffix=".partial", dir=where) as path:
        yield Path(path)


def fetch(folder: str, files: Iterable[str], copy: Path) -> None:
    """Copies files of a remote folder into a local one, under the same names."""
    for name in files:
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        source = FileSystems.open(f"{folder}/{name}", compression_type=_PLAIN)
        with source, explained_disk_errors(path), path.open("wb") as target:
            shutil.copyfileobj(source, target)


def store(path: Path, destination: str) -> None:
    """Moves a finished file out of a scratch folder; it appears whole or not at all.

    A file that exists was written by another attempt at the same work, and stays.
    """
    if not is_address(destination):
        path.replace(destination)
        return
    folder, _, name = destination.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.partial"
    with (
        path.open("rb") as source,
        FileSystems.create(temporary, compression_type=_PLAIN) as target,
    ):
        shutil.copyfileobj(source, target)
    if FileSystems.exists(destination):
        FileSystems.delete([temporary])
    else:
        FileSystems.rename([temporary], [destination])


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all."""
    with scratch(path.rpartition("/")[0]) as folder:
        (folder / "text").write_text(text, encoding="utf-8")
        store(folder / "text", path)


def take_text(path: str) -> str:
    """Reads a UTF-8 file and removes it."""
    with FileSystems.open(path, compression_type=_PLAIN) as source:
        text = source.read().decode("utf-8")
    FileSystems.delete([path])
    return text


def _check_name(folder: str) -> None:
    if set(folder) & set("*?["):
        raise UserError(
            f"{folder}: has *, ? or [ in its name, which Beam takes for a pattern; name another"
        )


def _match(folder: str, pattern: str) -> list[FileMetadata]:
    _check_name(folder)
    try:
        [result] = FileSystems.match([f"{folder}/{pattern}"])
    except (BeamIOError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{folder}: cannot be listed ({reason}); check the address") from error
    return result.metadata_list


class TensorFlowFiles(FileSystem):
    """TensorFlow's file systems as one of Beam's; a subclass for each scheme."""

    kind = "tensorflow"  # a scheme without addresses

    @classmethod
    def scheme(cls) -> str:
        return cls.kind

    def join(self, basepath: str, *paths: str) -> str:
        return posixpath.join(basepath, *paths)

    def split(self, path: str) -> tuple[str, str]:
        return posixpath.split(path)

    def mkdirs(self, path: str) -> None:
        tf.io.gfile.makedirs(path)

    def has_dirs(self) -> bool:
        return True

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for folder, _, files in tf.io.gfile.walk(dir_or_prefix):
            for name in files:
                yield self.metadata(posixpath.join(folder, name))

    def create(
        self,
        path: str,
        mime_type: str = "application/octet-stream",
        compression_type: str = CompressionTypes.AUTO,
    ) -> BinaryIO:
        tf.io.gfile.makedirs(posixpath.dirname(path))
        return tf.io.gfile.GFile(path, "wb")

    def open(
        self,
        path: str,
        mime_type: str = "application/octet-stream",
        compression_type: str = CompressionTypes.AUTO,
    ) -> BinaryIO:
        return tf.io.gfile.GFile(path, "rb")

    def copy(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            tf.io.gfile.copy(source, target, overwrite=True)

    def rename(
        self, source_file_names: Sequence[str], destination_file_names: Sequence[str]
    ) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            tf.io.gfile.rename(source, target, overwrite=True)

    def exists(self, path: str) -> bool:
        return tf.io.gfile.exists(path)

    def size(self, path: str) -> int:
        return tf.io.gfile.stat(path).length

    def last_updated(self, path: str) -> float:
        return tf.io.gfile.stat(path).mtime_nsec / 1e9

    def metadata(self, path: str) -> FileMetadata:
        status = tf.io.gfile.stat(path)
        return FileMetadata(path, status.length, status.mtime_nsec / 1e9)

    def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            remove = tf.io.gfile.rmtree if tf.io.gfile.isdir(path) else tf.io.gfile.remove
            remove(path)


def _register() -> None:
    """Makes a class for each scheme that TensorFlow knows and Beam does not."""
    # Adds schemes; its native library is built for one TensorFlow release, and fails in many ways.
    with contextlib.suppress(Exception):
        import tensorflow_io  # noqa: F401
    schemes = {system.scheme() for system in FileSystem.get_all_subclasses()}
    for kind in sorted(set(tf.io.gfile.get_registered_schemes()) - schemes - {""}):
        name = f"TensorFlowFiles_{kind}"
        # Beam imports file systems in its workers by module and name.
        globals()[name] = type(name, (TensorFlowFiles,), {"kind": kind, "__module__": __name__})


_register()
