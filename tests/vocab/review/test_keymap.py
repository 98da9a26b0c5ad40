import pytest

from vocab.errors import InputError
from vocab.review.keymap import ACTIONS, load_keymap, make_keymap


def load(tmp_path, text):
    path = tmp_path / "keys.toml"
    path.write_text(text)
    return load_keymap(path)


def test_every_action_has_a_key_of_its_own():
    keymap = load_keymap(None)
    assert set(keymap.actions.values()) == {action.name for action in ACTIONS}
    for key, action in {"k": "keep", "a": "keep", "x": "drop", "ctrl+r": "redo"}.items():
        assert keymap.actions[key] == action


def test_a_file_changes_what_it_names(tmp_path):
    keymap = load(tmp_path, '[keys]\nkeep = ["y", "space"]\nnote = "ctrl+n"\n')
    assert keymap.keys["keep"] == ("y", "space")
    assert keymap.actions["ctrl+n"] == "note"
    assert "k" not in keymap.actions
    assert "n" not in keymap.actions
    assert keymap.actions["d"] == "drop"
    assert ("y", "keep") in keymap.hints(["keep"])


def test_an_action_can_be_without_key(tmp_path):
    keymap = load(tmp_path, "[keys]\nsheet = []\n")
    assert "sheet" not in keymap.actions.values()
    assert keymap.label("sheet") == "-"
    assert keymap.hints(["sheet"]) == []


def test_two_actions_may_change_their_keys_for_each_others(tmp_path):
    keymap = load(tmp_path, '[keys]\nskip = "f"\nflag = "s"\n')
    assert (keymap.actions["f"], keymap.actions["s"]) == ("skip", "flag")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[keys]\nkeep = "y"\ndrop = "y"\n', "key y is of keep and of drop; give one"),
        ('[keys]\nnote = "s"\n', "key s is of note and of skip"),
        ('[keys]\nbless = "b"\n', "unknown action bless"),
        ('[keys]\nkeep = "1"\n', "key 1 is not to be had"),
        ('[keys]\nkeep = "ctrl+c"\n', "key ctrl\\+c is not to be had"),
        ('[keys]\nkeep = "yes"\n', "'yes' is no key"),
        ("[keys]\nkeep = 7\n", "keep: write"),
        ('keep = "y"\n', "one table, \\[keys\\]"),
        ("[keys\n", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, line):
    with pytest.raises(InputError, match=line) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "keys.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load_keymap(tmp_path / "none.toml")


def test_a_clash_is_found_without_a_file():
    with pytest.raises(ValueError, match="key s is of note and of skip"):
        make_keymap({"note": ("s",)})
