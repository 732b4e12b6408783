"""Lists in files: the formats, changes, what is broken, and a folder that went away."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.adapters.exchanges.filerows import Lines, read_line
from nightlight.core.bank import Category, NewItem
from nightlight.core.fingerprint import FingerprintKind

from .conftest import World
from .servers import hashed

A, B, C, M, S = (hashed(k, s) for k, s in (("pdq", "a"), ("pdq", "b"), ("pdq", "c"), ("md5", "m"), ("sha256", "s")))


def read(text: str, name: str = "list.txt", kind: FingerprintKind | None = None) -> list[tuple[NewItem | None, str]]:
    lines = text.encode().splitlines(keepends=True)
    form = Lines.of(lines[0], name)
    return [found for n, raw in enumerate(lines, 1) if any(found := read_line(raw, n, form, kind, "ex"))]


def values(text: str, name: str = "list.txt", kind: FingerprintKind | None = None) -> list[list[tuple[str, str]]]:
    return [[(f.kind.value, f.value) for f in item.fingerprints] if item else [] for item, _ in read(text, name, kind)]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        (f"pdq {A}\nvideo_md5 {M}\n# why\n\npdq {B} 'Collab' x\n", "l.txt", [[("pdq", A)], [("md5", M)], [("pdq", B)]]),
        (f"{M}\n{M.upper()}\n", "l.txt", [[("md5", M)], [("md5", M)]]),
        (f"{A},100,../pictures/a.jpg\n{B},7,b.jpg\n", "hashes.csv", [[("pdq", A)], [("pdq", B)]]),
        (f"signal_type,signal_str,collab,category,tags\npdq,{A},C,POSITIVE_CLASS,x y\n", "c.csv", [[("pdq", A)]]),
        (f"id,raw_indicator,type,status,tags\n1,{M},HASH_MD5,MALICIOUS,\n", "q.csv", [[("md5", M)]]),
        (f"id,pdq,md5,sha256\n1,{A},{M},{S}\n2,,{M},\n", "own.csv", [[("pdq", A), ("sha256", S), ("md5", M)], [("md5", M)]]),
        (f"id\tpdq\n1\t{A}\n", "own.tsv", [[("pdq", A)]]),
        (f'{{"path": "x", "sha256": "{S}", "pdq": "{A}", "quality": 90}}\n', "h.jsonl", [[("pdq", A), ("sha256", S)]]),
        (f"pdq,{A}\nmd5,{M}\n", "k.csv", [[("pdq", A)], [("md5", M)]]),
        (f"\ufeffpdq {A}\n", "bom.txt", [[("pdq", A)]]),
        ("photodna 0,1,2,255\n", "f.txt", [[("x-photodna", "000102ff")]]),
    ],
)
def test_the_formats(text: str, name: str, found: list[list[tuple[str, str]]]) -> None:
    assert values(text, name) == found
    assert not any(reason for _, reason in read(text, name))


def test_what_our_own_commands_print_is_read_back() -> None:
    row = {
        "id": "item_1",
        "source": "s-1",
        "fingerprints": [{"kind": "pdq", "value": A, "quality": 80}, {"kind": "x-photodna", "value": "00112233"}],
        "labels": ["one", "A1"],
        "category": "A2",
        "generated": True,
        "provenance": "theirs",
    }
    ((item, reason),) = read(json.dumps(row) + "\n", "items.jsonl")
    assert item is not None
    assert not reason
    assert [f.kind.value for f in item.fingerprints] == ["pdq", "x-photodna"]
    assert (item.fingerprints[0].quality, item.source, item.labels) == (80, "file:s-1", ("one", "A1"))
    assert (item.category, item.generated, item.provenance) == (Category.A2, True, "ex: theirs")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"{A}\n", "kind of hash is not said"),
        ("url http://x\n", "no hash of a picture"),
        (f"pdq {A[:-1]}\n", "not written as pdq"),
        ("pdq \n", "kind of hash is not said"),
    ],
)
def test_a_line_that_is_none_says_why_and_not_what(line: str, why: str) -> None:
    ((item, reason),) = read(f"md5 {M}\n{line}")[1:] or [(None, "not written")]
    assert item is None
    assert why in reason
    assert A[:20] not in reason


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=80), st.text(max_size=60).map(lambda t: t.encode(errors="surrogatepass")), st.just(b"id,pdq\n")))
)
def test_no_line_breaks_the_reader(lines: list[bytes]) -> None:
    for name in ("a.txt", "a.csv", "a.jsonl", "a.tsv"):
        form = Lines.of(lines[0] if lines else b"", name)
        for n, raw in enumerate(lines, 1):
            item, reason = read_line(raw, n, form, None, "ex")
            assert item is None or item.fingerprints
            assert len(reason) < 100


def test_a_folder_is_followed_as_its_files_change(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text(f"pdq {A}\npdq {B}\n")
    (folder / "deep" / "b.csv").write_text(f"id,pdq\n7,{C}\n")
    (folder / ".hidden").write_text(f"md5 {M}\n")
    world.add("files", "file", path=str(folder))
    assert world.run("files").added == 3
    asleep = world.run("files")
    assert (asleep.pages, asleep.unchanged, asleep.error) == (0, 0, "")
    (folder / "a.txt").write_text(f"pdq {B}\nmd5 {M}\nnonsense\n")
    ended = world.run("files")
    assert (ended.added, ended.withdrawn, ended.bad, ended.error) == (1, 1, 1, "")
    assert ended.reasons[0].where == "a.txt:3"
    assert {v for h in world.held("files").values() for v in h} == {("pdq", B), ("md5", M), ("pdq", C)}
    (folder / "deep" / "b.csv").unlink()
    assert world.run("files").withdrawn == 1


def test_a_folder_that_went_away_empties_no_bank(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "a.txt").write_text(f"pdq {A}\n")
    world.add("files", "file", path=f"{folder}/*.txt")
    assert world.run("files").added == 1
    (folder / "a.txt").unlink()
    ended = world.run("files")
    assert (ended.error, ended.withdrawn) == ("no file fits the path", 0)
    assert len(world.items("files")) == 1


@pytest.mark.parametrize("left", ["", "\n\n", "nonsense\n"])
def test_a_file_that_was_cut_to_nothing_empties_no_bank(world: World, tmp_path: Path, left: str) -> None:
    file = tmp_path / "a.txt"
    file.write_text(f"pdq {A}\npdq {B}\n")
    world.add("files", "file", path=str(file))
    assert world.run("files").added == 2
    file.write_text(left)
    for _ in range(2):
        ended = world.run("files")
        assert (ended.error, ended.withdrawn) == ("the files hold no entry, so nothing was withdrawn", 0)
    assert len(world.items("files")) == 2
    file.write_text(f"pdq {B}\n")
    assert (world.run("files").withdrawn, len(world.items("files"))) == (1, 1)


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/mem").exists(), reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("a", A), ("b", B), ("c", C)):
        (tmp_path / f"{name}.txt").write_text(f"pdq {value}\n")
    world.add("files", "file", path=f"{tmp_path}/?.txt")
    assert world.run("files").added == 3
    real = Path.open

    def refuse(path: Path, *given: object, **more: object) -> object:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return real(path, *given, **more)  # type: ignore[call-overload]

    (tmp_path / "c.txt").write_text("# nothing left\n")
    monkeypatch.setattr(Path, "open", refuse)
    ended = world.run("files")
    assert ended.error == "a file could not be read, so nothing was withdrawn"
    assert [(r.where, r.reason) for r in ended.reasons] == [("a.txt", "cannot be read: Permission denied")]
    monkeypatch.undo()
    assert world.run("files").withdrawn == 1


def test_many_rows_come_in_pages_and_a_fetch_that_was_stopped_goes_on(world: World, tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("".join(f"pdq {hashed('pdq', n)}\n" for n in range(2500)))
    world.add("files", "file", path=str(tmp_path / "l.txt"))
    from nightlight.adapters.exchanges import build

    seen: list[int] = []

    def brittle(*given: object) -> object:
        client = build(*given)  # type: ignore[arg-type]
        pages = client.pages

        def two(checkpoint: bytes | None) -> object:
            for n, page in enumerate(pages(checkpoint)):
                seen.append(len(page.puts))
                yield page
                if n == 1:
                    raise MemoryError

        client.pages = two  # type: ignore[method-assign, assignment]
        return client

    make, world.exchanges._make = world.exchanges._make, brittle  # type: ignore[assignment]
    ended = world.run("files")
    assert (ended.error, ended.added) == ("an unexpected error (MemoryError)", 2000)
    world.exchanges._make = make
    ended = world.run("files")
    assert (ended.added, ended.unchanged, ended.withdrawn, ended.error) == (500, 0, 0, "")
    assert len(world.held("files")) == 2500
