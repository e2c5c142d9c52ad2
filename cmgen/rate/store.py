"""Raters and votes in any database that SQLAlchemy knows; every value is a bound parameter.

A rater is whoever holds the code that `add_rater` gave, once. Only the code's hash is stored, so
that whoever reads the database can't vote in a rater's name.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import exc

from cmgen.utils.errors import FAILED_WORK, UserError

# Letters and digits that nobody confuses when a code is read aloud or copied by hand.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_CODE_GROUPS, _GROUP_LENGTH = 4, 4  # 79 bits
_ATTEMPTS = 20

_METADATA = sql.MetaData()
RATERS = sql.Table(
    "cmgen_raters",
    _METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("study", sql.String(16), nullable=False),
    sql.Column("number", sql.Integer, nullable=False),
    sql.Column("name", sql.String(80), nullable=False),
    sql.Column("code_hash", sql.String(64), nullable=False, unique=True),
    sql.Column("joined", sql.DateTime, nullable=False),
    sql.UniqueConstraint("study", "number"),
    sql.UniqueConstraint("study", "name"),
)
VOTES = sql.Table(
    "cmgen_votes",
    _METADATA,
    sql.Column("rater", sql.ForeignKey(RATERS.c.id), primary_key=True),
    sql.Column("place", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("item", sql.String(16), nullable=False),
    sql.Column("score", sql.Integer, nullable=False),
    sql.Column("voted", sql.DateTime, nullable=False),
    sql.UniqueConstraint("rater", "item"),
    sql.CheckConstraint("score BETWEEN 0 AND 3"),
)


@dataclass(frozen=True)
class Rater:
    """Someone who rates: `number` counts a study's raters from 0 and decides their order of items."""

    id: int
    number: int
    name: str


@dataclass(frozen=True)
class Vote:
    """One rater's score, 0 to 3, for the item with this key."""

    rater: int
    item: str
    score: int


class NameTaken(Exception):
    """Another rater of the study has this name."""


class OutOfTurn(Exception):
    """The vote is neither for a rater's next picture nor for the one before it."""


class Store(AbstractContextManager["Store"]):
    """The raters and votes of one study.

    Args:
      database: a file for SQLite, or an SQLAlchemy URL.
      study: its id; other studies may share the database.
      must_exist: whether a missing SQLite file is an error; otherwise it is created.
    """

    def __init__(self, database: str | Path, study: str, must_exist: bool = False):
        self._study = study
        if isinstance(database, Path):
            if must_exist and not database.is_file():
                raise UserError(f"{database}: no such file; nobody has voted yet", FAILED_WORK)
            url = sql.URL.create("sqlite", database=str(database))
        else:
            url = _parse_url(database)
        self._where = url.render_as_string(hide_password=True)
        try:
            self._engine = sql.create_engine(url)
        except (exc.ArgumentError, ImportError) as error:
            raise UserError(
                f"--database={self._where}: {error}; install its driver or name another"
            ) from error
        if url.get_backend_name() == "sqlite":
            sql.event.listen(self._engine, "connect", _check_foreign_keys)
        with self._explained():
            _METADATA.create_all(self._engine)

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def add_rater(self, name: str) -> tuple[Rater, str]:
        """A new rater and the code that only they know.

        Raises:
          NameTaken: the study has a rater of this name.
        """
        code = new_code()
        for _ in range(_ATTEMPTS):
            try:
                with self._explained(), self._engine.begin() as connection:
                    return self._insert_rater(connection, name, code), code
            except exc.IntegrityError:
                # Someone else took the name, or joined at the same moment and took the number.
                if self._has_name(name):
                    raise NameTaken(name) from None
        raise UserError(f"{self._where}: too many people join at once; try again", FAILED_WORK)

    def rater(self, code: str) -> Rater | None:
        """The rater who has this code, if any."""
        wanted = sql.select(RATERS.c.id, RATERS.c.number, RATERS.c.name).where(
            RATERS.c.study == self._study, RATERS.c.code_hash == _hashed(code)
        )
        with self._explained(), self._engine.connect() as connection:
            row = connection.execute(wanted).first()
        return Rater(*row) if row else None

    def scores(self, rater: Rater) -> list[int]:
        """The rater's scores so far, in the order of their items."""
        wanted = sql.select(VOTES.c.score).where(VOTES.c.rater == rater.id).order_by(VOTES.c.place)
        with self._explained(), self._engine.connect() as connection:
            return list(connection.execute(wanted).scalars())

    def vote(self, rater: Rater, place: int, item: str, score: int) -> None:
        """Writes the score of the rater's next picture, or changes that of the one before it.

        Args:
          rater: who votes.
          place: of the picture in the rater's order, from 0.
          item: key of the picture.
          score: 0 to 3.

        Raises:
          OutOfTurn: the vote is for any other picture.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        by_rater = VOTES.c.rater == rater.id
        count = sql.select(sql.func.count()).select_from(VOTES).where(by_rater)
        values: dict[str, Any] = {"score": score, "voted": now}
        try:
            with self._explained(), self._engine.begin() as connection:
                done = connection.execute(count).scalar_one()
                if place == done:
                    added = sql.insert(VOTES).values(
                        rater=rater.id, place=place, item=item, **values
                    )
                    connection.execute(added)
                elif place == done - 1:
                    changed = sql.update(VOTES).where(by_rater, VOTES.c.place == place)
                    connection.execute(changed.values(**values))
                else:
                    raise OutOfTurn(place)
        except exc.IntegrityError as error:
            # The same vote came twice at once, e.g. from two windows of the browser.
            raise OutOfTurn(place) from error

    def all_votes(self) -> list[Vote]:
        """Every vote of the study, by rater and place."""
        wanted = (
            sql.select(RATERS.c.number, VOTES.c.item, VOTES.c.score)
            .join_from(VOTES, RATERS)
            .where(RATERS.c.study == self._study)
            .order_by(RATERS.c.number, VOTES.c.place)
        )
        with self._explained(), self._engine.connect() as connection:
            return [Vote(*row) for row in connection.execute(wanted)]

    def _insert_rater(self, connection: sql.Connection, name: str, code: str) -> Rater:
        last = sql.select(sql.func.max(RATERS.c.number)).where(RATERS.c.study == self._study)
        highest = connection.execute(last).scalar()
        number = 0 if highest is None else highest + 1
        added = sql.insert(RATERS).values(
            study=self._study,
            number=number,
            name=name,
            code_hash=_hashed(code),
            joined=datetime.now(UTC).replace(tzinfo=None),
        )
        key = connection.execute(added).inserted_primary_key
        assert key is not None
        return Rater(key[0], number, name)

    def _has_name(self, name: str) -> bool:
        wanted = sql.select(RATERS.c.id).where(RATERS.c.study == self._study, RATERS.c.name == name)
        with self._explained(), self._engine.connect() as connection:
            return connection.execute(wanted).first() is not None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the database as messages, without the URL's password."""
        try:
            yield
        except exc.IntegrityError:
            raise
        except exc.DBAPIError as error:
            raise UserError(
                f"--database={self._where}: {error.orig}; check that it is there, may be written "
                "and is a database",
                FAILED_WORK,
            ) from error


def new_code() -> str:
    """A rater's secret, such as "k7mq-2x9d-hw4n-v3ta"."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH))
        for _ in range(_CODE_GROUPS)
    )
    return "-".join(groups)


def _hashed(code: str) -> str:
    """Codes are long and random, so that a fast hash without salt is enough."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def _parse_url(database: str) -> sql.URL:
    try:
        return sql.make_url(database)
    except exc.ArgumentError as error:
        # The message must not repeat what may hold a password.
        raise UserError(
            "--database: not an SQLAlchemy URL; write e.g. sqlite:///votes.db or "
            "postgresql://user:password@host/name"
        ) from error


def _check_foreign_keys(connection: Any, _: Any) -> None:
    """Foreign keys, which SQLite ignores by default."""
    connection.execute("PRAGMA foreign_keys = ON")
