"""Who sees the same files, and who does not."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from sojourn.errors import NotFound, StorageError, UsageError
from sojourn.folders import sight
from sojourn.folders.sight import Token


def test_a_token_is_found_where_it_is_and_while_it_is(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for form in ("image", "image/"):
        token = Token(f"{tmp_path}/{form}")
        assert sight.finds(f"{tmp_path}/{form}", token.shown)
        assert not sight.finds(f"{tmp_path}/other/{form}", token.shown)
        token.take_away()
        assert not sight.finds(f"{tmp_path}/{form}", token.shown)
    assert os.listdir(tmp_path) == ["other"]


def test_a_token_of_another_content_is_not_it(tmp_path: Path) -> None:
    token = Token(f"{tmp_path}/image")
    for changed in (
        msgspec.structs.replace(token.shown, secret="0" * 32),
        msgspec.structs.replace(token.shown, secret=""),
        msgspec.structs.replace(token.shown, name="../" + token.shown.name),
    ):
        assert not sight.finds(f"{tmp_path}/image", changed)
    path = tmp_path / token.shown.name
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert not sight.finds(f"{tmp_path}/image", token.shown), "a link is none"
    path.unlink()
    os.mkfifo(path)
    assert not sight.finds(f"{tmp_path}/image", token.shown), "nor is a pipe, and nobody waits for it"


def test_where_no_token_can_be_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("none", "file"):
        with pytest.raises(UsageError, match="no folder"):
            Token(f"{tmp_path}/{folder}/image")
    with pytest.raises(StorageError, match="image cannot be written"):
        Token("/sys/kernel/image")


def test_a_look_holds_for_this_file_as_it_is(tmp_path: Path) -> None:
    path, other = tmp_path / "image", tmp_path / "other"
    path.write_text("1")
    look = sight.look(str(path))
    assert sight.sees(str(path), look)
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(look.modified, look.modified))
    assert not sight.sees(str(other), look), "the same content elsewhere is not it"
    assert not sight.sees(str(path), msgspec.structs.replace(look, boot="another machine"))
    path.write_text("22")
    assert not sight.sees(str(path), look)
    path.unlink()
    assert not sight.sees(str(path), look)
    with pytest.raises(NotFound):
        sight.look(str(path))
