import hashlib
import re
from pathlib import Path

import pytest

from vocab.errors import InputError
from vocab.project import load_project, read_project

ROOT = Path(__file__).parents[2]
TABLE = "rank\tkind\ttag\timages\tcaptions\n1\tobject\tdog\t3\t4\n"
SHA = hashlib.sha256(TABLE.encode()).hexdigest()
GOOD = f'sha256 = "{SHA}"\ntarget = 3\n'


@pytest.fixture
def root(tmp_path):
    (tmp_path / "candidates.tsv").write_text(TABLE)
    return tmp_path


def write(root, text):
    (root / "project.toml").write_text(text)


def test_the_least_project_and_what_it_stands_for(root):
    write(root, GOOD)
    project = load_project(root)
    assert project.candidates == root / "candidates.tsv"
    assert (project.sha256, project.target, project.reasons) == (SHA, 3, {})
    assert (project.undecided, project.unresolved) == ("fail", "fail")
    assert project.logs == []


def test_a_project_that_says_everything(root):
    (root / "candidates.tsv").rename(root / "others.tsv")
    write(
        root,
        'candidates = "others.tsv"\nlog = "logs/here"\n' + GOOD + "[policy]\n"
        'undecided = "keep"\nunresolved = "drop"\n[weights]\ncoco = 3.5\nvg = 2\n'
        '[reasons]\nnot-seen = "is a sound"\n',
    )
    (root / "logs" / "here").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "a.lock", "c.txt"):
        (root / "logs" / "here" / name).touch()
    project = load_project(root)
    assert [path.name for path in project.logs] == ["a.jsonl", "b.jsonl"]
    assert project.reasons == {"not-seen": "is a sound"}
    assert project.weights == {"coco": 3.5, "vg": 2}
    assert (project.undecided, project.unresolved) == ("keep", "drop")


@pytest.mark.parametrize(
    "text, message",
    [
        ("target = 3", "is not the table under review (sha256 " + SHA + ", "),
        (f'sha256 = "{"0" * 64}"\ntarget = 3', f"says {'0' * 64}); restore it, or set sha256"),
        ('candidates = "no.tsv"\n' + GOOD, "no.tsv: cannot be read (No such file or directory); "),
        ("target = ", "not TOML ("),
        ("", "target must be the number of classes wanted, as in target = 3429"),
        ("target = 0", "target must be the number"),
        ("target = true", "target must be the number"),
        ('target = "3"', "target must be the number"),
        ("target = 3\nsha256 = 5", 'sha256 must be a text, as in sha256 = "..."'),
        ("goal = 3", "unknown setting goal (known: candidates, sha256, target, log, policy, "),
        ("policy = 3\n" + GOOD, "policy must be a table; write [policy] on a line of its own"),
        (GOOD + "[policy]\nundecidd = 3", "unknown setting undecidd in [policy] (known: und"),
        (GOOD + '[policy]\nundecided = "no"', "undecided is 'no'; it can be keep, drop or fail"),
        (GOOD + "[policy]\nunresolved = [1]", "unresolved is [1]; it can be keep, drop or fail"),
        (GOOD + '[reasons]\n"a b" = "x"', "reason 'a b': write it as short-code = "),
        (GOOD + "[reasons]\na = 3", "reason 'a': write it as short-code = "),
        (GOOD + "[weights]\ncoco = nan", "weight coco is nan; it must be a number of 0 or more"),
        (GOOD + "[weights]\ncoco = true", "weight coco is True; it must be a number"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(root, text, message):
    write(root, text)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        load_project(root)
    assert str(root) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_project_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match=r"project.toml: no such file, so no review project"):
        load_project(tmp_path)
    (tmp_path / "project.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="project.toml: is not UTF-8"):
        load_project(tmp_path)


def test_settings_can_be_read_when_the_candidates_are_not_the_ones(root):
    write(root, "target = 3")
    project = read_project(root)
    with pytest.raises(InputError, match="not the table under review"):
        project.check_candidates()


def test_our_project_is_about_our_candidates_and_has_the_reasons_of_the_guidelines():
    project = load_project(ROOT / "annotations")
    assert project.target == 3429
    guidelines = (ROOT / "annotations" / "GUIDELINES.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", guidelines, re.MULTILINE)
    assert dict(rows) == project.reasons
