"""The studio's page: fixed files, and an API that takes what visitors send and serves what is made.

Visitors name inputs and results by keys of the store, models and examples by entries of fixed
tables: no path of a request reaches the file system.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

import numpy as np
from flask import Flask, Response, abort, current_app, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from cmgen.generate.model import Model
from cmgen.media import images
from cmgen.media.sound import encode_wav
from cmgen.studio import work
from cmgen.studio.decoder import VIEW_SIZE, Decoders, Picture
from cmgen.studio.examples import Examples
from cmgen.studio.store import Store
from cmgen.studio.work import Noise, PictureInput, SoundInput
from cmgen.studio.work_queue import Busy, WorkQueue
from cmgen.utils.errors import UserError
from cmgen.utils.web.access import Access
from cmgen.utils.web.app import (
    HEADERS,
    CallerGone,
    ask_password,
    caller,
    check_caller,
    create_page,
    json_values,
    partial_content,
    refusal,
)

_FILES = ("studio.css", "parts.js", "player.js", "listener.js", "studio.js", "icon.svg")
PAGE = {"/": "index.html"} | {f"/{name}": name for name in _FILES}
STUDIO_HEADERS = HEADERS | {"Permissions-Policy": "camera=(), geolocation=(), microphone=(self)"}
SECONDS = (2, 5, 10)  # of sound from a picture
RETRY_AFTER_SECONDS = 2
MAX_SEED = 2**31 - 1
MAX_NAME = 80
GONE = "This is not kept any more. Send the file again."


@dataclass(frozen=True)
class UploadLimits:
    """`megabytes` of a file, `seconds` of its sound and `megapixels` of a picture that are taken."""

    megabytes: float
    seconds: float
    megapixels: float = 64.0

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 2**20)


@dataclass(frozen=True)
class _Made:
    data: bytes
    kind: str


class Studio:
    """The answers of the page.

    Args:
      models: name -> exported model.
      examples: of the demo corpus.
      decoders: of what is sent.
      store: keeps inputs and results.
      work_queue: bounds the requests that work or wait.
      limits: of what is sent.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        examples: Examples,
        decoders: Decoders,
        store: Store,
        work_queue: WorkQueue,
        limits: UploadLimits,
    ):
        self._models, self._examples, self._decoders = models, examples, decoders
        self._store, self._queue, self._limits = store, work_queue, limits

    def studio(self) -> Response:
        """What the page has to know before anything else."""
        models = [
            {
                "name": name,
                "task": model.metadata.task,
                "classes": [title.replace("_", " ") for title in model.metadata.classes],
                "about": f"step {model.metadata.step} on {model.metadata.data}",
            }
            for name, model in self._models.items()
        ]
        return jsonify(
            models=models,
            examples=self._examples.titles,
            megabytes=self._limits.megabytes,
            max_bytes=self._limits.bytes,
            seconds=self._limits.seconds,
            durations=SECONDS,
        )

    def upload(self) -> Response:
        """A file as the request's body -> an input; its content says whether sound or picture."""
        sent = request.args.get("name", "")
        name = "".join(c for c in sent if c.isprintable())[:MAX_NAME] or "The file"
        decoded = self._decoders.decode(request.get_data(cache=False), name, check_caller)
        if isinstance(decoded, Picture):
            return self._new_picture(PictureInput(decoded.pixels))
        notice = ""
        if decoded.cut:
            notice = f"Only the first {self._limits.seconds:g} s are used."
        return self._new_sound(SoundInput(decoded.samples), notice)

    def example(self) -> Response:
        """A number of the examples' table -> an input."""
        values = json_values(kind=str, number=int)
        number = values["number"]
        if not 0 <= number < len(self._examples) or values["kind"] not in ("sound", "picture"):
            abort(404)
        if values["kind"] == "sound":
            return self._new_sound(SoundInput(self._examples.sound(number)))
        real = self._examples.picture(number)
        sizes = {VIEW_SIZE, *(model.metadata.image_size for model in self._models.values())}
        pixels = {size: images.square(real.pixels, size) for size in sizes}
        return self._new_picture(PictureInput(pixels, real.sound, real.time))

    def thumbnail(self, number: int) -> Response:
        if number >= len(self._examples):
            abort(404)
        return Response(self._examples.thumbnail(number), content_type="image/png")

    def pictures(self) -> Response:
        """Pictures of each `every`th window of a sound, by one model for one noise."""
        values = json_values(input=str, model=str, seed=int, towards=int, percent=int, every=int)
        name, model = self._model(values["model"], "s2i")
        sound = self._input(values["input"], SoundInput)
        every = values["every"]
        if not 1 <= every <= 10:
            abort(400)
        noise = _noise(values)
        pictures, probabilities = work.perform(name, model, sound, noise, every, check_caller)
        comment = work.comment([model], **asdict(noise))
        return jsonify(
            sheet=self._keep(work.sheet(pictures, comment), "image/png"),
            columns=min(len(pictures), work.SHEET_COLUMNS),
            count=len(pictures),
            size=pictures.shape[1],
            step=every / work.PICTURES_PER_SECOND,
            probabilities=_rounded(probabilities),
        )

    def lms(self) -> Response:
        """A sound's spectrogram, as a model sees it."""
        values = json_values(input=str, model=str)
        _, model = self._model(values["model"], "s2i")
        sound = self._input(values["input"], SoundInput)
        made = work.lms_png(sound.samples, model.metadata.sound)
        return jsonify(lms=self._keep(made, "image/png"))

    def video(self) -> Response:
        """The pictures of one or two models as an MP4 file with the sound."""
        values = json_values(input=str, models=list, seed=int, towards=int, percent=int)
        if not 1 <= len(values["models"]) <= 2:
            abort(400)
        sound = self._input(values["input"], SoundInput)
        noise = _noise(values)
        models = [self._model(name, "s2i") for name in values["models"]]
        made = [work.perform(*one, sound, noise, 1, check_caller)[0] for one in models]
        comment = work.comment([model for _, model in models], **asdict(noise))
        film = work.film(made, sound.samples, comment, check_caller)
        return jsonify(video=self._keep(film, "video/mp4"))

    def sound(self) -> Response:
        """The sound that a model makes of a picture, and the real one of a demo's."""
        values = json_values(input=str, model=str, seed=int, seconds=int)
        _, model = self._model(values["model"], "i2s")
        picture = self._input(values["input"], PictureInput)
        seconds = values["seconds"]
        if seconds not in SECONDS or not 0 <= values["seed"] <= MAX_SEED:
            abort(400)
        metadata = model.metadata
        lms, samples, probabilities = work.imagine_sound(
            model, picture, values["seed"], seconds, check_caller
        )
        real = work.real_part(picture, seconds)
        real_keys = None
        if real is not None:
            real_keys = {
                "sound": self._keep(encode_wav(real, work.SAMPLE_RATE), "audio/wav"),
                "lms": self._keep(work.lms_png(real, metadata.sound), "image/png"),
            }
        comment = work.comment([model], seed=values["seed"])
        return jsonify(
            sound=self._keep(encode_wav(samples, metadata.sample_rate, comment), "audio/wav"),
            lms=self._keep(work.draw(lms, comment), "image/png"),
            probabilities=_rounded(probabilities),
            real=real_keys,
        )

    def made(self, key: str) -> Response:
        decoded = self._store.get(key)
        if not isinstance(decoded, _Made):
            abort(404, GONE)
        return partial_content(decoded.data, decoded.kind)

    def gated(self, answer: Callable[[], Response]) -> Callable[[], Response]:
        """Runs an answer when the queue has room for it."""

        @wraps(answer)
        def entered() -> Response:
            with self._queue.entered(caller(), check_caller):
                return answer()

        return entered

    def _new_sound(self, sound: SoundInput, notice: str = "") -> Response:
        size = sound.samples.nbytes * 5 // 4  # with the encodings to come
        return jsonify(
            kind="sound",
            id=self._store.put(sound, size),
            seconds=sound.seconds,
            notice=notice,
            sound=self._keep(encode_wav(sound.samples, work.SAMPLE_RATE), "audio/wav"),
        )

    def _new_picture(self, picture: PictureInput) -> Response:
        size = sum(pixels.nbytes for pixels in picture.pixels.values())
        size += 0 if picture.real_sound is None else picture.real_sound.nbytes
        view = images.encode_png(picture.pixels[VIEW_SIZE])
        return jsonify(
            kind="picture",
            id=self._store.put(picture, size),
            notice="",
            picture=self._keep(view, "image/png"),
        )

    def _keep(self, data: bytes, kind: str) -> str:
        return f"/made/{self._store.put(_Made(data, kind), len(data))}"

    def _model(self, name: Any, task: str) -> tuple[str, Model]:
        model = self._models.get(name) if isinstance(name, str) else None
        if model is None or model.metadata.task != task:
            abort(404, "There is no such model here.")
        return name, model

    def _input(self, key: str, kind: type) -> Any:
        decoded = self._store.get(key)
        if not isinstance(decoded, kind):
            abort(404, GONE)
        return decoded


def create_app(studio: Studio, access: Access, limits: UploadLimits) -> Flask:
    """The page as a WSGI application.

    Args:
      studio: its answers.
      access: who may call it; a password is asked for before everything.
      limits: of what is sent.
    """
    app = create_page("cmgen.studio", PAGE, access, limits.bytes, STUDIO_HEADERS)
    ask_password(app, access, "cmgen studio")
    app.add_url_rule("/api/studio", "studio", studio.studio)
    app.add_url_rule("/made/<key>", "made", studio.made)
    app.add_url_rule("/example/<int:number>.png", "thumbnail", studio.thumbnail)
    for name in ("upload", "example", "pictures", "lms", "video", "sound"):
        answer = studio.gated(getattr(studio, name))
        app.add_url_rule(f"/api/{name}", name, answer, methods=["POST"])
    app.register_error_handler(UserError, lambda error: refusal(f"{error}.", 400))
    app.register_error_handler(Busy, _explain_busy)
    app.register_error_handler(CallerGone, lambda error: ("", 499))  # read by nobody
    too_large = f"The file is larger than {limits.megabytes:g} MB. Send a smaller one."
    app.register_error_handler(RequestEntityTooLarge, lambda error: refusal(too_large, 413))
    app.register_error_handler(Exception, _explain_fault)
    return app


def _noise(values: Mapping[str, Any]) -> Noise:
    seeds = values["seed"], values["towards"]
    if not all(0 <= seed <= MAX_SEED for seed in seeds) or not 0 <= values["percent"] <= 100:
        abort(400)
    return Noise(*seeds, values["percent"] / 100)


def _rounded(probabilities: np.ndarray) -> list:
    return probabilities.astype(float).round(3).tolist()


def _explain_busy(error: Exception) -> Response:
    answer, answer.status_code = jsonify(error="The studio is busy. Try again."), 503
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _explain_fault(error: Exception) -> tuple[Response, int]:
    """A fault of ours: one line for whoever runs the studio, one for the visitor."""
    current_app.logger.error("%s: %s: %s", request.path, type(error).__name__, error)
    return refusal("Something went wrong in the studio; its terminal says what.", 500)
