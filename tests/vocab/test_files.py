from pathlib import Path

import pytest

from vocab.errors import InputError
from vocab.files import write_whole


def test_a_file_is_written_with_its_directory_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", "é\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\n".encode()
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_cannot_be_written_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("as it was")
    for path in (tmp_path, tmp_path / "file" / "a.txt"):
        with pytest.raises(InputError) as told:
            write_whole(path, "text")
        assert str(told.value).startswith(f"{path}: cannot be written (")
        assert ".tmp" not in str(told.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))
