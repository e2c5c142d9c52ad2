"""The rating page: a few fixed answers, and those of the rater whose code the browser holds.

Nobody can tell a picture's source from what is served: pictures and sounds are asked for by their
place in the rater's own order, and only around the one that is to be judged.
"""

from typing import TypeAlias

import flask
from flask import Flask, Response, abort, jsonify, request

from cmgen.rate.store import NameTaken, OutOfTurn, Rater, Store
from cmgen.rate.study import SCORES, Item, Study, rater_order
from cmgen.utils.errors import UserError
from cmgen.utils.web.access import Access, RateLimiter
from cmgen.utils.web.app import caller, create_page, json_values, partial_content, refusal

PAGE = {
    "/": "index.html",
    "/rate.css": "rate.css",
    "/rate.js": "rate.js",
    "/icon.svg": "icon.svg",
}
MAX_REQUEST_BYTES = 4096
THREADS = 8
MAX_CONNECTIONS = 200
MAX_NAME = 60
_YEAR = 365 * 24 * 3600
Answer: TypeAlias = Response | tuple[Response, int]


class Page:
    """The answers of the page.

    Args:
      study: what is rated.
      store: where votes go.
      access: who may use the page.
      per_rater: pictures for each rater, 0 for all.
    """

    def __init__(self, study: Study, store: Store, access: Access, per_rater: int = 0):
        self._study, self._store, self._access = study, store, access
        self._total = min(per_rater or len(study.manifest.items), len(study.manifest.items))
        self._tries = RateLimiter(access.tries_per_minute)
        # Browsers send cookies to every port of a host, so each study has its own.
        self.cookie = f"rater_{study.id}"
        self._orders: dict[int, list[Item]] = {}

    def study(self) -> Answer:
        """What the page says before anyone has joined."""
        return jsonify(
            password=bool(self._access.password),
            total=self._total,
            scores=[{"score": score, "meaning": meaning} for score, meaning in SCORES.items()],
        )

    def join(self) -> Answer:
        """A name -> a new rater; a code -> the rater whose it is."""
        values = json_values(name=str, code=str, password=str)
        if self._tries.spent(caller()):
            return refusal("Too many tries. Wait a minute, then try again.", 429)
        if not self._access.admits(values["password"]):
            self._tries.spend(caller())
            return refusal("The password of the study is wrong.", 403)
        code = values["code"].strip()
        if code:
            found = self._store.rater(code)
            if found is None:
                self._tries.spend(caller())
                return refusal("Nobody has this code. Check each letter.", 403)
            return self._welcome(self._state(found), code)
        name = " ".join(values["name"].split())
        if not name or len(name) > MAX_NAME or not name.isprintable():
            return refusal(f"Give a name of 1 to {MAX_NAME} letters.", 400)
        try:
            rater, code = self._store.add_rater(name)
            # The only time that the code is told.
            return self._welcome(self._state(rater, code=code), code)
        except NameTaken:
            return refusal("This name is taken. Give your code, or another name.", 409)

    def leave(self) -> Answer:
        """Forgets who uses this browser; their votes stay."""
        answer = jsonify(left=True)
        answer.delete_cookie(self.cookie, httponly=True, samesite="Strict")
        return answer

    def state(self) -> Answer:
        """How far the rater is."""
        return self._state(self._rater())

    def vote(self) -> Answer:
        """Takes the score of the next picture, or another one for the picture before it."""
        rater = self._rater()
        values = json_values(place=int, score=int)
        place, score = values["place"], values["score"]
        if score not in SCORES or not 0 <= place < self._total:
            return refusal("A score is 0, 1, 2 or 3.", 400)
        try:
            self._store.vote(rater, place, self._item(rater, place).picture, score)
        except OutOfTurn:
            return refusal("This picture is not the one to judge now.", 409)
        return self._state(rater)

    def picture(self, place: int) -> Answer:
        return Response(self._study.pictures[self._shown(place).picture], content_type="image/png")

    def sound(self, place: int) -> Answer:
        window = self._study.manifest.windows[self._shown(place).window]
        data = self._study.sounds[window.sound]
        return partial_content(data, "audio/wav")

    def _shown(self, place: int) -> Item:
        """The item at a place that the rater may see: the last, the present or the next one."""
        rater = self._rater()
        done = len(self._store.scores(rater))
        if not max(done - 1, 0) <= place <= min(done + 1, self._total - 1):
            abort(404)
        return self._item(rater, place)

    def _item(self, rater: Rater, place: int) -> Item:
        if rater.number not in self._orders:
            self._orders[rater.number] = rater_order(self._study.manifest, rater.number)
        return self._orders[rater.number][place]

    def _rater(self) -> Rater:
        code = request.cookies.get(self.cookie, "")
        if code and self._tries.spent(caller()):
            abort(429)
        rater = self._store.rater(code) if code else None
        if rater is None:
            if code:
                self._tries.spend(caller())
            answer, answer.status_code = jsonify(error="Join first."), 401
            answer.delete_cookie(self.cookie, httponly=True, samesite="Strict")
            abort(answer)
        return rater

    def _welcome(self, answer: Response, code: str) -> Response:
        answer.set_cookie(self.cookie, code, max_age=_YEAR, httponly=True, samesite="Strict")
        return answer

    def _state(self, rater: Rater, **more: str) -> Response:
        scores = self._store.scores(rater)[: self._total]
        return jsonify(
            name=rater.name,
            done=len(scores),
            total=self._total,
            last=scores[-1] if scores else None,
            **more,
        )


def create_app(study: Study, store: Store, access: Access, per_rater: int = 0) -> Flask:
    """The page as a WSGI application."""
    app = create_page("cmgen.rate", PAGE, access, MAX_REQUEST_BYTES)
    page = Page(study, store, access, per_rater)
    app.add_url_rule("/api/study", "study", page.study)
    app.add_url_rule("/api/join", "join", page.join, methods=["POST"])
    app.add_url_rule("/api/leave", "leave", page.leave, methods=["POST"])
    app.add_url_rule("/api/state", "state", page.state)
    app.add_url_rule("/api/vote", "vote", page.vote, methods=["POST"])
    app.add_url_rule("/api/picture/<int:place>", "picture", page.picture)
    app.add_url_rule("/api/sound/<int:place>", "sound", page.sound)
    app.register_error_handler(UserError, _explain_failure)
    return app


def _explain_failure(error: UserError) -> Answer:
    # The message is for whoever runs the server; it may name the database.
    flask.current_app.logger.error("%s", error)
    return refusal("The vote could not be kept. Tell whoever runs the study.", 500)
