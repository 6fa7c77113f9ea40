"""Mapping files on disk: which are read, under what names, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rolebridge.mapfile import UnreadableFiles, holds_cases, read_mapping_dir
from rolebridge.mapfile.files import MAX_BYTES, MAX_FILES


def _refusals(folder: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(UnreadableFiles) as refused:
        read_mapping_dir(folder)
    assert str(refused.value) == "; ".join(problem.detail for problem in refused.value.diagnostics)
    return [
        (p.code, str(p.place).replace(f"{folder}/", ""), p.detail.replace(f"{folder}/", ""))
        for p in refused.value.diagnostics
    ]


def test_a_folder_is_read_in_order_of_names(tmp_path: Path) -> None:
    """`.yaml` and `.yml` are mapping files, cases beside them too; hidden files, others and sub-folders are not."""
    for name in ("b.yaml", "a.yml", "b.test.yaml", ".hidden.yaml", "README.md", "c.yaml~"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.yaml").write_text("d", encoding="utf-8")
    found = read_mapping_dir(tmp_path)
    names = ["a.yml", "b.test.yaml", "b.yaml"]
    assert list(found.items()) == [(f"{tmp_path}/{name}", name) for name in names]
    assert [name for name in found if holds_cases(name)] == [f"{tmp_path}/b.test.yaml"]


def test_names_are_relative_to_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mappings`, `mappings/` and `./mappings` all name the file `mappings/a.yaml`, which a terminal can open."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "a.yaml").write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for given in ("mappings", "mappings/", "./mappings", Path("mappings")):
        assert list(read_mapping_dir(given)) == ["mappings/a.yaml"]


def test_a_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    """A file saved by a Windows editor reads like any other."""
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfk: v\r\n")
    assert list(read_mapping_dir(tmp_path).values()) == ["k: v\r\n"]


def test_an_empty_folder_is_an_empty_set(tmp_path: Path) -> None:
    """No mapping files is an answer, not an error."""
    assert read_mapping_dir(tmp_path) == {}


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A typing error in the path must not look like an empty set, which would revoke everything."""
    folder = tmp_path / "mapings"
    assert _refusals(folder) == [("file-unreadable", f"{folder}:1:1", f"`{folder}`: no such file or directory")]


def test_whatever_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    """Links out of the folder or to nowhere, pipes and folders are refused together; nothing waits on the pipe."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("s", encoding="utf-8")
    (folder / "a.yaml").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(folder / "b.yaml")
    (folder / "c.yaml").mkdir()
    (folder / "d.yaml").symlink_to("nowhere")
    (folder / "e.yaml").symlink_to("e.yaml")
    assert _refusals(folder) == [
        ("file-unreadable", "a.yaml:1:1", "`a.yaml`: it is a symbolic link that leads out of the folder"),
        ("file-unreadable", "b.yaml:1:1", "`b.yaml`: it is not a plain file"),
        ("file-unreadable", "c.yaml:1:1", "`c.yaml`: it is not a plain file"),
        ("file-unreadable", "d.yaml:1:1", "`d.yaml`: no such file or directory"),
        ("file-unreadable", "e.yaml:1:1", "`e.yaml`: too many levels of symbolic links"),
    ]


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as links into a hidden sub-folder, which is itself a link."""
    (tmp_path / "..2026_11").mkdir()
    (tmp_path / "..2026_11" / "a.yaml").write_text("k: v", encoding="utf-8")
    (tmp_path / "..data").symlink_to("..2026_11")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert list(read_mapping_dir(tmp_path).values()) == ["k: v"]


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    """One byte over a mebibyte is too much; exactly one is read."""
    (tmp_path / "a.yaml").write_bytes(b"#" * MAX_BYTES)
    (tmp_path / "b.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    assert _refusals(tmp_path) == [("file-too-large", "b.yaml:1:1", "`b.yaml`: the limit is 1048576 bytes")]


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    """A folder with more files than any organization has workspaces is a mistake."""
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.yaml").touch()
    assert _refusals(tmp_path) == [
        ("file-too-large", f"{tmp_path}:1:1", f"`{tmp_path}`: the folder holds 2001 mapping files, the limit is 2000")
    ]


def test_text_that_is_not_utf8_is_refused_at_the_byte(tmp_path: Path) -> None:
    """The place counts characters, as an editor does."""
    (tmp_path / "a.yaml").write_bytes("a: b\nü: ".encode() + b"caf\xe9\n")
    assert _refusals(tmp_path) == [("file-not-utf8", "a.yaml:2:7", "`a.yaml`: the byte 0xE9 is not part of UTF-8 text")]
