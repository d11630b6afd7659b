"""A social network: many_to_many inside many_to_many, a table related to itself, counts through junctions."""

from __future__ import annotations

from typing import Any

from support.expected.oracle import Documents
from support.stores.model import (
    Model,
    Row,
    Tables,
    by,
    where,
)

_DDL = """
CREATE SCHEMA social;
CREATE TABLE social.members (id int PRIMARY KEY, name text);
CREATE TABLE social.circles (id int PRIMARY KEY, name text);
CREATE TABLE social.topics (id int PRIMARY KEY, label text);
CREATE TABLE social.posts (id int PRIMARY KEY, author_id int, body text, likes int);
CREATE TABLE social.memberships (member_id int, circle_id int, PRIMARY KEY (member_id, circle_id));
CREATE TABLE social.circle_topics (circle_id int, topic_id int, PRIMARY KEY (circle_id, topic_id));
CREATE TABLE social.follows (follower_id int, followed_id int, PRIMARY KEY (follower_id, followed_id));
CREATE INDEX ON social.posts (author_id);
CREATE INDEX ON social.memberships (circle_id);
CREATE INDEX ON social.circle_topics (topic_id);
CREATE INDEX ON social.follows (followed_id);
"""
_ROWS = """
INSERT INTO social.members SELECT n, 'member ' || n FROM generate_series(1, 16) n;
INSERT INTO social.circles SELECT n, 'circle ' || n FROM generate_series(1, 6) n;
INSERT INTO social.topics SELECT n, 'topic ' || n FROM generate_series(1, 5) n;
INSERT INTO social.posts SELECT n, 1 + n % 16, 'post ' || n, n * 7 % 40 FROM generate_series(1, 60) n;
INSERT INTO social.memberships SELECT m, c FROM generate_series(1, 16) m, generate_series(1, 6) c WHERE (m * c) % 4 = 1;
INSERT INTO social.circle_topics SELECT c, t FROM generate_series(1, 6) c, generate_series(1, 5) t WHERE (c + t) % 3 = 0;
INSERT INTO social.follows SELECT a, b FROM generate_series(1, 16) a, generate_series(1, 16) b
WHERE a <> b AND (a + 2 * b) % 5 = 0;
"""

_MEMBERS = """
table: members
schema: social
primary_key: id
fields:
  - keyword: name
  - many_to_many: circles
    table: circles
    primary_key: id
    through: { table: memberships, left_key: member_id, right_key: circle_id }
    fields:
      - keyword: name
      - count: size
        table: memberships
        foreign_key: circle_id
      - many_to_many: topics
        table: topics
        primary_key: id
        through: { table: circle_topics, left_key: circle_id, right_key: topic_id }
        fields: [{ keyword: label }]
  - many_to_many: followers
    table: members
    primary_key: id
    through: { table: follows, left_key: followed_id, right_key: follower_id }
    fields: [{ keyword: name }]
  - count: follows
    table: members
    through: { table: follows, left_key: follower_id, right_key: followed_id }
  - has_many: best
    table: posts
    primary_key: id
    foreign_key: author_id
    order_by: [{ column: likes, direction: desc }, { column: id, direction: asc }]
    limit: 2
    fields: [{ text: body }, { integer: likes }]
  - max: record
    table: posts
    foreign_key: author_id
    column: likes
    value_type: integer
"""
_TOPICS = """
table: topics
schema: social
primary_key: id
fields:
  - keyword: label
  - ids: circleIds
    table: circles
    through: { table: circle_topics, left_key: topic_id, right_key: circle_id }
    element_type: integer
  - many_to_many: circles
    table: circles
    primary_key: id
    through: { table: circle_topics, left_key: topic_id, right_key: circle_id }
    fields:
      - keyword: name
      - many_to_many: members
        table: members
        primary_key: id
        through: { table: memberships, left_key: circle_id, right_key: member_id }
        fields: [{ keyword: name }]
"""


def _expected(tables: Tables) -> dict[str, Documents]:
    return {
        "members": {str(row["id"]): _member(row, tables) for row in tables["members"]},
        "topics": {str(row["id"]): _topic(row, tables) for row in tables["topics"]},
    }


def _far(tables: Tables, junction: str, left: str, right: str, number: int, far: str) -> list[Row]:
    """The rows at the other end of a junction, by id."""
    rows = by(tables[far], "id")
    numbers = sorted(row[right] for row in tables[junction] if row[left] == number)
    return [rows[number] for number in numbers if number in rows]


def _member(row: Row, tables: Tables) -> dict[str, Any]:
    number = row["id"]
    posts = where(tables["posts"], author_id=number)
    best = sorted(posts, key=lambda post: (-post["likes"], post["id"]))[:2]
    return {
        "name": row["name"],
        "circles": [
            {
                "name": circle["name"],
                "size": sum(item["circle_id"] == circle["id"] for item in tables["memberships"]),
                "topics": [
                    {"label": topic["label"]}
                    for topic in _far(
                        tables, "circle_topics", "circle_id", "topic_id", circle["id"], "topics"
                    )
                ],
            }
            for circle in _far(tables, "memberships", "member_id", "circle_id", number, "circles")
        ],
        "followers": [
            {"name": follower["name"]}
            for follower in _far(tables, "follows", "followed_id", "follower_id", number, "members")
        ],
        "follows": len(_far(tables, "follows", "follower_id", "followed_id", number, "members")),
        "best": [{"body": post["body"], "likes": post["likes"]} for post in best],
        "record": max((post["likes"] for post in posts), default=None),
    }


def _topic(row: Row, tables: Tables) -> dict[str, Any]:
    circles = _far(tables, "circle_topics", "topic_id", "circle_id", row["id"], "circles")
    return {
        "label": row["label"],
        "circleIds": [circle["id"] for circle in circles],
        "circles": [
            {
                "name": circle["name"],
                "members": [
                    {"name": member["name"]}
                    for member in _far(
                        tables, "memberships", "circle_id", "member_id", circle["id"], "members"
                    )
                ],
            }
            for circle in circles
        ],
    }


MODEL = Model(
    ddl=_DDL,
    rows=_ROWS,
    tables=tuple(
        f"social.{name}"
        for name in (
            "members",
            "circles",
            "topics",
            "posts",
            "memberships",
            "circle_topics",
            "follows",
        )
    ),
    schemas={"members": _MEMBERS, "topics": _TOPICS},
    expected=_expected,
    steps={
        "both ends and the middle are renamed": [
            "UPDATE social.members SET name = name || '!' WHERE id IN (1, 2)",
            "UPDATE social.circles SET name = name || '!' WHERE id = 1",
            "UPDATE social.topics SET label = label || '!' WHERE id = 2",
        ],
        "junction rows move, at either end": [
            "UPDATE social.memberships SET circle_id = 6 WHERE member_id = 5 AND circle_id = 1",
            "UPDATE social.circle_topics SET topic_id = 1 WHERE circle_id = 4 AND topic_id = 2",
            "UPDATE social.follows SET follower_id = 16, followed_id = 15 WHERE follower_id = 1 AND followed_id = 2",
        ],
        "junction rows come and go": [
            "DELETE FROM social.memberships WHERE circle_id = 3",
            "INSERT INTO social.memberships VALUES (2, 3), (4, 3)",
            "DELETE FROM social.follows WHERE followed_id = 4",
            "INSERT INTO social.circle_topics VALUES (1, 1)",
        ],
        "best posts change places": [
            "UPDATE social.posts SET likes = 100 - likes",
            "UPDATE social.posts SET author_id = 1 WHERE id = 40",
            "DELETE FROM social.posts WHERE id % 7 = 0",
        ],
        "rows at the ends go, their junction rows stay": [
            "DELETE FROM social.members WHERE id = 9",
            "DELETE FROM social.circles WHERE id = 5",
            "DELETE FROM social.topics WHERE id = 3",
        ],
        "rows come to the links that waited for them, and new ones with their links": [
            "INSERT INTO social.members VALUES (9, 'back'), (17, 'new')",
            "INSERT INTO social.circles VALUES (5, 'back')",
            "INSERT INTO social.topics VALUES (3, 'back'), (6, 'new')",
            "INSERT INTO social.circle_topics VALUES (5, 6)",
            "INSERT INTO social.memberships VALUES (17, 5)",
            "INSERT INTO social.follows VALUES (17, 9), (9, 17), (17, 17)",
            "INSERT INTO social.posts VALUES (61, 17, 'first', 200), (62, 1, 'best', 201)",
        ],
        "keys change, and some links follow": [
            "UPDATE social.circles SET id = 60 WHERE id = 6",
            "UPDATE social.memberships SET circle_id = 60 WHERE circle_id = 6",
            "UPDATE social.members SET id = 20 WHERE id = 2",
            "UPDATE social.topics SET id = 10 WHERE id = 1",
            "UPDATE social.circle_topics SET topic_id = 10 WHERE topic_id = 1 AND circle_id = 1",
        ],
        "a junction is emptied": ["TRUNCATE social.memberships"],
    },
)
