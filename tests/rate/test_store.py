import contextlib
import threading
from pathlib import Path

import pytest

from cmgen.rate.store import NameTaken, OutOfTurn, Rater, Store, Vote
from cmgen.utils.errors import FAILED_WORK, UserError

STUDY = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "votes.db"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path, STUDY)


def test_votes_come_one_by_one_and_only_the_last_may_change(store: Store) -> None:
    rater, _ = store.add_rater("Ada")
    for place, score in enumerate([3, 0, 2]):
        store.vote(rater, place, f"item{place}", score)
    store.vote(rater, 2, "item2", 1)
    assert store.scores(rater) == [3, 0, 1]
    for place in (-1, 0, 1, 4, 9):
        with pytest.raises(OutOfTurn):
            store.vote(rater, place, "item1", 3)
    assert store.scores(rater) == [3, 0, 1]


def test_a_picture_is_judged_once_by_a_rater(store: Store) -> None:
    rater, _ = store.add_rater("Ada")
    store.vote(rater, 0, "same", 3)
    with pytest.raises(OutOfTurn):
        store.vote(rater, 1, "same", 2)
    assert store.all_votes() == [Vote(0, "same", 3)]


def test_codes_lead_back_to_their_rater_after_a_restart(store: Store, path: Path) -> None:
    codes = [store.add_rater(name)[1] for name in ("Ada", "Bo", "Cy")]
    again = Store(path, STUDY)
    assert [again.rater(code) for code in codes] == [
        Rater(1, 0, "Ada"), Rater(2, 1, "Bo"), Rater(3, 2, "Cy"),
    ]  # fmt: skip
    assert again.rater(codes[1].upper().replace("-", " ")) == Rater(2, 1, "Bo")
    for wrong in ("", "xxxx-xxxx-xxxx-xxxx", codes[0][:-1], "' OR '1'='1"):
        assert again.rater(wrong) is None


def test_codes_are_not_in_the_database(store: Store, path: Path) -> None:
    _, code = store.add_rater("Ada")
    content = path.read_bytes()
    assert b"Ada" in content
    assert code.encode() not in content and code.replace("-", "").encode() not in content


def test_names_are_taken_once_in_a_study(store: Store, path: Path) -> None:
    store.add_rater("Ada")
    with pytest.raises(NameTaken):
        store.add_rater("Ada")
    other = Store(path, "f" * 16)
    rater, code = other.add_rater("Ada")
    assert rater.number == 0 and store.rater(code) is None
    other.vote(rater, 0, "item", 3)
    assert store.all_votes() == []


@pytest.mark.parametrize("name", ["'; DROP TABLE cmgen_votes; --", "100%", "名前", ":name"])
def test_names_are_only_ever_values(store: Store, name: str) -> None:
    rater, code = store.add_rater(name)
    store.vote(rater, 0, name[:16], 1)
    assert store.rater(code) == rater and rater.name == name
    assert store.all_votes() == [Vote(0, name[:16], 1)]


@pytest.mark.parametrize("score", [-1, 4])
def test_the_database_holds_no_other_scores(store: Store, score: int) -> None:
    rater, _ = store.add_rater("Ada")
    with pytest.raises(OutOfTurn):
        store.vote(rater, 0, "item", score)
    assert store.all_votes() == []


def test_many_join_and_vote_at_once(store: Store) -> None:
    outcomes: list[int] = []

    def take_part(index: int) -> None:
        rater, _ = store.add_rater(f"rater {index}")
        store.vote(rater, 0, "item", index % 4)
        outcomes.append(rater.number)

    threads = [threading.Thread(target=take_part, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == list(range(8))
    assert len(store.all_votes()) == 8


def test_the_same_vote_twice_at_once_counts_once(store: Store) -> None:
    rater, _ = store.add_rater("Ada")
    barrier = threading.Barrier(4)

    def vote() -> None:
        barrier.wait()
        with contextlib.suppress(OutOfTurn):
            store.vote(rater, 0, "item", 2)

    threads = [threading.Thread(target=vote) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.all_votes() == [Vote(0, "item", 2)]


def test_any_sqlalchemy_url_will_do(tmp_path: Path) -> None:
    path = tmp_path / "odd name.db"
    with Store(f"sqlite:///{path}", STUDY) as store:
        store.add_rater("Ada")
    assert path.is_file()


def test_bad_databases_are_refused_without_their_password(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    for database, code, said in (
        ("nonsense:secret", 2, "not an SQLAlchemy URL"),
        ("nodialect://me:secret@host/db", 2, r"nodialect://me:\*\*\*@host/db"),
        (broken, FAILED_WORK, "not a database"),
        (tmp_path / "no" / "folder.db", FAILED_WORK, "unable to open"),
    ):
        with pytest.raises(UserError, match=said) as error:
            Store(database, STUDY)
        assert error.value.exit_code == code and "secret" not in str(error.value)
    with pytest.raises(UserError, match="nobody has voted yet"):
        Store(tmp_path / "none.db", STUDY, must_exist=True)
    assert not (tmp_path / "none.db").exists()
