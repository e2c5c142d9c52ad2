import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tiny_study import SOURCES, write_study
from werkzeug.test import TestResponse

from cmgen.rate.app import PAGE, create_app
from cmgen.rate.store import Store
from cmgen.rate.study import Study, rater_order, read_study
from cmgen.utils.web.access import Access
from cmgen.utils.web.app import HEADERS

TOTAL = 6 * len(SOURCES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_study(tmp_path_factory.mktemp("rating") / "study"))


@pytest.fixture
def store(study: Study, tmp_path: Path) -> Store:
    return Store(tmp_path / "votes.db", study.id)


@pytest.fixture
def browser(study: Study, store: Store) -> FlaskClient:
    return create_app(study, store, Access()).test_client()


def join(browser: FlaskClient, **values: str) -> Any:
    answer = browser.post("/api/join", json=values)
    assert answer.status_code == 200, answer.json
    return answer.json


def vote(browser: FlaskClient, place: Any, score: Any) -> TestResponse:
    return browser.post("/api/vote", json={"place": place, "score": score})


def test_a_rater_judges_everything_and_may_change_the_last(
    browser: FlaskClient, study: Study, store: Store
) -> None:
    state = join(browser, name="Ada")
    assert (state["done"], state["total"], state["last"]) == (0, TOTAL, None)
    for place in range(TOTAL):
        assert browser.get(f"/api/picture/{place}").data.startswith(b"\x89PNG")
        assert browser.get(f"/api/sound/{place}").data.startswith(b"RIFF")
        state = vote(browser, place, place % 4).json
        assert (state["done"], state["last"]) == (place + 1, place % 4)
    assert vote(browser, TOTAL - 1, 0).json["last"] == 0
    assert vote(browser, TOTAL, 0).status_code == 400
    order = rater_order(study.manifest, 0)
    assert [v.item for v in store.all_votes()] == [item.picture for item in order]
    assert [v.score for v in store.all_votes()] == [i % 4 for i in range(TOTAL - 1)] + [0]


def test_pictures_and_sounds_are_those_of_the_order(browser: FlaskClient, study: Study) -> None:
    join(browser, name="Ada")
    for place, item in enumerate(rater_order(study.manifest, 0)[:2]):
        sound = study.manifest.windows[item.window].sound
        assert browser.get(f"/api/picture/{place}").data == study.pictures[item.picture]
        assert browser.get(f"/api/sound/{place}").data == study.sounds[sound]


def test_no_answer_tells_a_source(browser: FlaskClient, study: Study) -> None:
    answers = [browser.get(path) for path in (*PAGE, "/api/study", "/nowhere", "/api/picture/0")]
    answers.append(browser.post("/api/join", json={"name": "Ada"}))
    for place in range(TOTAL):
        for path in ("/api/state", f"/api/picture/{place}", f"/api/sound/{place}"):
            answers.append(browser.get(path))
        answers.append(vote(browser, place, 3))
    secrets = {window.recording for window in study.manifest.windows} | {"S2I", "bell", "drum"}
    secrets |= {key for item in study.manifest.items for key in (item.picture, item.sha256)}
    secrets |= {key for window in study.manifest.windows for key in (window.sound, window.sha256)}
    for answer in answers:
        text = f"{answer.headers}".encode() + answer.data
        assert [word for word in secrets if word.encode() in text] == []
        if answer.is_json:
            assert "source" not in answer.text and "real" not in answer.json
    assert len({tuple(a.headers) for a in answers if a.mimetype == "image/png"}) <= len(
        {len(a.data) for a in answers if a.mimetype == "image/png"}
    )


def test_pictures_carry_nothing_but_pixels(study: Study) -> None:
    for data in study.pictures.values():
        kinds = re.findall(rb"IHDR|IDAT|IEND|tEXt|iTXt|zTXt|tIME|eXIf|iCCP", data)
        assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def test_a_rater_goes_on_after_restart_and_elsewhere(
    browser: FlaskClient, study: Study, store: Store
) -> None:
    code = join(browser, name="Ada")["code"]
    vote(browser, 0, 3)
    vote(browser, 1, 2)
    elsewhere = create_app(study, store, Access()).test_client()
    assert elsewhere.get("/api/state").status_code == 401
    state = join(elsewhere, code=f" {code.upper()} ")
    assert (state["name"], state["done"], state["last"]) == ("Ada", 2, 2)
    assert elsewhere.get("/api/picture/2").data == browser.get("/api/picture/2").data
    assert elsewhere.post("/api/leave", json={}).status_code == 200
    assert elsewhere.get("/api/state").status_code == 401


def test_raters_cannot_reach_each_others_votes(study: Study, store: Store) -> None:
    ada, bo = (create_app(study, store, Access()).test_client() for _ in range(2))
    join(ada, name="Ada")
    vote(ada, 0, 3)
    taken = bo.post("/api/join", json={"name": "Ada"})
    assert (taken.status_code, "Set-Cookie" in taken.headers) == (409, False)
    state = join(bo, name="Bo")
    assert (state["done"], state["last"]) == (0, None)
    vote(bo, 0, 1)
    assert [(v.rater, v.score) for v in store.all_votes()] == [(0, 3), (1, 1)]
    assert ada.get("/api/state").json["last"] == 3
    # Nothing but the code tells whose vote it is.
    bo.post("/api/vote", json={"place": 0, "score": 0, "rater": 0, "id": 1, "name": "Ada"})
    assert [(v.rater, v.score) for v in store.all_votes()] == [(0, 3), (1, 0)]


def test_without_a_code_there_is_nothing(browser: FlaskClient, study: Study) -> None:
    browser.set_cookie(f"rater_{study.id}", "xxxx-xxxx-xxxx-xxxx")
    for path in ("/api/state", "/api/picture/0", "/api/sound/0"):
        browser.set_cookie(f"rater_{study.id}", "xxxx-xxxx-xxxx-xxxx")
        assert browser.get(path).status_code == 401
    assert vote(browser, 0, 3).status_code == 401


def test_a_code_is_told_once_to_the_one_who_joins(
    browser: FlaskClient, study: Study, store: Store
) -> None:
    """No later answer has it: whoever uses the browser next could vote elsewhere in this name."""
    code = join(browser, name="Ada")["code"]
    elsewhere = create_app(study, store, Access()).test_client()
    answers = [join(elsewhere, code=code), browser.get("/api/state").json, vote(browser, 0, 3).json]
    assert [answer for answer in answers if code in str(answer)] == []
    cookie = browser.get_cookie(f"rater_{study.id}")
    assert cookie is not None and cookie.http_only


def test_codes_are_not_tried_out_by_cookies_either(study: Study, store: Store) -> None:
    """As often as by the form; and a browser with an old code forgets it."""
    app = create_app(study, store, Access(tries_per_minute=3))
    for number in range(3):
        thief = app.test_client()
        thief.set_cookie(f"rater_{study.id}", f"xxxx-xxxx-xxxx-xxx{number}")
        assert thief.get("/api/state").status_code == 401
        assert thief.get_cookie(f"rater_{study.id}") is None
    thief.set_cookie(f"rater_{study.id}", "xxxx-xxxx-xxxx-xxx9")
    assert thief.get("/api/state").status_code == 429
    assert app.test_client().get("/api/state").status_code == 401  # who has none tries nothing


def test_only_pictures_around_the_present_one_are_given(browser: FlaskClient) -> None:
    join(browser, name="Ada")
    assert [browser.get(f"/api/picture/{p}").status_code for p in (0, 1, 2)] == [200, 200, 404]
    for place in range(3):
        vote(browser, place, 0)
    found = {p: browser.get(f"/api/sound/{p}").status_code for p in range(TOTAL + 2)}
    assert [p for p, status in found.items() if status == 200] == [2, 3, 4]
    assert [vote(browser, place, 3).status_code for place in (0, 1, 4, 9)] == [409] * 4


@pytest.mark.parametrize(
    ("place", "score"),
    [(0, 4), (0, -1), (0, "3"), (0, 3.0), (0, None), (0, True), ("0", 3), (-1, 3), (10**30, 3)],
)
def test_bad_votes_are_refused(browser: FlaskClient, place: Any, score: Any, store: Store) -> None:
    join(browser, name="Ada")
    assert vote(browser, place, score).status_code == 400
    assert store.all_votes() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"3",
        b'"name"',
        b"{",
        b'{"name": 3}',
        b'{"name": ["a"]}',
        b"\xff",
        b"[" * 4000,
        b'{"name":' * 500,
        b"[" * 2000 + b"]" * 2000,
        b'{"name": ' + b"9" * 4000 + b"}",
    ],
)
def test_bad_requests_are_refused(browser: FlaskClient, body: bytes) -> None:
    answer = browser.post("/api/join", data=body, content_type="application/json")
    assert answer.status_code == 400 and answer.json["error"]


def test_forms_and_long_requests_are_refused(browser: FlaskClient) -> None:
    assert browser.post("/api/join", data={"name": "Ada"}).status_code == 415
    assert browser.post("/api/join", json={"name": "a" * 5000}).status_code == 413


@pytest.mark.parametrize("name", ["", "  ", "a" * 61, "a\x00b", "a\u202eb"])
def test_bad_names_are_refused(browser: FlaskClient, name: str) -> None:
    assert browser.post("/api/join", json={"name": name}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/picture/../../manifest.json", "/api/picture/..%2f..%2fetc%2fpasswd", "/manifest.json",
        "/static/rate.js", "/page/rate.js", "/api/sound/-1", "/api/picture/0.png", "/etc/passwd",
        "/votes.db", "/api/picture/%00", "/rate.js/../index.html",
    ],
)  # fmt: skip
def test_no_path_reaches_the_files(browser: FlaskClient, path: str) -> None:
    join(browser, name="Ada")
    answer = browser.get(path)
    assert answer.status_code == 404 and answer.json["error"]


def test_every_answer_has_the_headers(browser: FlaskClient) -> None:
    answers = [browser.get(path) for path in (*PAGE, "/api/study", "/nowhere", "/api/state")]
    answers.append(browser.post("/api/join", json={"name": "Ada"}))
    answers.append(browser.post("/api/join", data="{", content_type="application/json"))
    answers += [browser.get("/api/picture/0"), browser.get("/api/sound/0"), vote(browser, 0, 9)]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: FlaskClient) -> None:
    cookie = browser.post("/api/join", json={"name": "Ada"}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Domain" not in cookie


def test_other_sites_and_other_names_of_this_host_are_refused(browser: FlaskClient) -> None:
    join(browser, name="Ada")
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    answer = browser.post("/api/vote", json={"place": 0, "score": 3}, headers=elsewhere)
    assert answer.status_code == 403
    for host, status in (
        ("evil.example:8765", 400), ("[", 400), ("localhost.evil.example", 400),
        ("localhost:8765", 200), ("127.0.0.1", 200), ("[::1]:80", 200),
    ):  # fmt: skip
        assert browser.get("/api/study", headers={"Host": host}).status_code == status


def test_a_password_comes_before_everything(study: Study, store: Store) -> None:
    browser = create_app(study, store, Access("open sesame")).test_client()
    assert browser.get("/api/study", headers={"Host": "study.example"}).json["password"] is True
    for wrong in ("", "open", "OPEN SESAME", "é"):
        answer = browser.post("/api/join", json={"name": "Ada", "password": wrong})
        assert answer.status_code == 403
    assert join(browser, name="Ada", password="open sesame")["done"] == 0
    # Later requests go by the code alone.
    assert vote(browser, 0, 3).status_code == 200


def test_passwords_and_codes_cannot_be_guessed_quickly(study: Study, store: Store) -> None:
    app = create_app(study, store, Access("secret", tries_per_minute=3))
    browser = app.test_client()
    tries = [{"name": "Ada", "password": "wrong"}] * 2 + [{"code": "wrong", "password": "secret"}]
    assert [browser.post("/api/join", json=t).status_code for t in tries] == [403] * 3
    right = {"name": "Ada", "password": "secret"}
    assert browser.post("/api/join", json=right).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    answer = browser.post("/api/join", json=right, environ_overrides=elsewhere)
    assert answer.status_code == 200


INJECTIONS = ["Ada' OR '1'='1", "x'; DROP TABLE cmgen_votes; --", '" OR 1=1 --', "%", "_", "\\"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_raters_write_is_never_sql(
    browser: FlaskClient, study: Study, store: Store, text: str
) -> None:
    join(browser, name="Ada")
    vote(browser, 0, 3)
    other = create_app(study, store, Access()).test_client()
    other.set_cookie(f"rater_{study.id}", text)
    assert other.get("/api/state").status_code == 401
    assert other.post("/api/join", json={"code": text}).status_code == 403
    assert join(other, name=text)["name"] == text
    assert browser.get("/api/state").json["last"] == 3
    assert [v.score for v in store.all_votes()] == [3]


def test_fewer_pictures_for_each_rater(study: Study, store: Store) -> None:
    browser = create_app(study, store, Access(), per_rater=2).test_client()
    assert join(browser, name="Ada")["total"] == 2
    assert [vote(browser, place, 1).status_code for place in range(3)] == [200, 200, 400]
    assert browser.get("/api/picture/2").status_code == 404


def test_sounds_come_in_parts_where_asked(browser: FlaskClient) -> None:
    join(browser, name="Ada")
    whole = browser.get("/api/sound/0")
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = browser.get("/api/sound/0", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, whole.data[10:20])
    assert browser.get("/api/sound/0", headers={"Range": "bytes=999999-"}).status_code == 416


def test_a_database_that_fails_is_no_secret_told(
    study: Study, store: Store, tmp_path: Path
) -> None:
    browser = create_app(study, store, Access()).test_client()
    join(browser, name="Ada")
    (tmp_path / "votes.db").write_bytes(b"spoilt" * 4000)
    answer = vote(browser, 0, 3)
    assert answer.status_code == 500
    assert "votes.db" not in answer.text and "could not be kept" in answer.json["error"]


def test_the_page_needs_nothing_from_elsewhere(browser: FlaskClient) -> None:
    texts = {path: browser.get(path).text for path in PAGE}
    for path, text in texts.items():
        found = set(re.findall(r"https?://[^\s\"')]+", text)) - {"http://www.w3.org/2000/svg"}
        assert found == set(), path
    asked = re.findall(r'(?:src|href)="([^"]+)"', texts["/"])
    assert set(asked) == set(PAGE) - {"/"}
    assert "style=" not in texts["/"] and "onclick" not in texts["/"]


def test_scores_are_the_papers(browser: FlaskClient) -> None:
    scores = browser.get("/api/study").json["scores"]
    assert [one["score"] for one in scores] == [3, 2, 1, 0]
    assert json.dumps(scores).count("instrument") == 3
