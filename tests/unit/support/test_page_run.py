"""What a page shows is compared with what a command prints."""

from __future__ import annotations

from support.page_run import Block, blocks, installation, matches

_PAGE = """\
Start it:

```sh title="Terminal 2"
flusso run
```

```sh
curl x
```

It prints

```json
{ "a": 1 }
```

```shell
docker compose up
```

```bash
apt-get install -y git
```

```sh
true
```

```toml
[queue]
```
"""


def test_what_installs_programs_is_apart() -> None:
    assert installation(_PAGE) == "apt-get install -y git\n"


def test_blocks_have_their_terminal_and_what_the_page_shows() -> None:
    assert blocks(_PAGE) == [
        Block("Terminal 2", "flusso run\n", None),
        Block("Terminal 1", "curl x\n", '{ "a": 1 }\n'),
        Block("Terminal 1", "true\n", None),
    ]


def test_dots_stand_for_anything_in_a_line_and_for_any_lines() -> None:
    assert matches("...\nready at 1...\n...\n", "a\nb\nready at 127\n")
    assert matches("a\n", "a   \n")
    assert not matches("a...\n", "a\nb\n")
    assert not matches("...\nb\n", "a\n")


def test_json_is_compared_as_json() -> None:
    assert matches('{"a": 1, "b": [2]}', '{ "b": [2],\n "a": 1 }\n')
    assert not matches('{"a": 1}', '{"a": 2}')


def test_how_far_a_command_is_may_be_printed_too() -> None:
    said = "checking: not done after 2 s\nverifying books: 1,000 of 5,000 (20 %), 500/s\nbooks: equal\n"
    assert matches("books: equal\n", said)
    assert not matches("books: equal\n", "books: 3 of them differ\nbooks: equal\n")
