import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.candidates import Candidate, Candidates
from vocab.decisions import Event
from vocab.keys import tag_of
from vocab.sheets import Row, read_sheet, write_sheet
from vocab.table import (
    COLUMNS,
    WIDTHS,
    Change,
    Choice,
    choice_of,
    read_table,
    summary,
    table_rows,
)

KEYS = ("object:dog", "object:cat", "object:march", "scene:beach", "object:=cmd", "action:a  b")
CANDIDATES = Candidates(
    tuple(Candidate(n, *tag_of(key), 100 - n, 200 - n) for n, key in enumerate(KEYS, 1)),
    (),
    "0" * 64,
)
DOG, CAT, MARCH, BEACH, CMD, AB = (row.key for row in CANDIDATES.rows)
REASONS = ("vague", "not-seen")


def rows(*lines, header="key|decision|why|note"):
    """Rows of a table, from lines with | between the cells."""
    return [Row(n, tuple(line.split("|"))) for n, line in enumerate((header, *lines), 1)]


def read(*lines, standing=None, **more):
    return read_table(rows(*lines, **more), CANDIDATES, standing or {}, REASONS)


def choices(*lines, **more):
    found = read(*lines, **more)
    assert not found.errors
    return {change.tag: change.new for change in found.changes}


STANDING = {
    DOG: Choice("keep"),
    CAT: Choice("drop", None, "vague", "= not a cat"),
    MARCH: Choice("merge", "object:dog", None, "-1"),
    BEACH: Choice("retype", "object"),
    CMD: Choice("rename", "command", "not-seen"),
}


@pytest.mark.parametrize("suffix", ["tsv", "xlsx"])
def test_an_export_that_comes_back_unchanged_changes_nothing(tmp_path, suffix):
    if suffix == "xlsx":
        pytest.importorskip("openpyxl", reason="XLSX needs openpyxl")
    path = tmp_path / f"t.{suffix}"
    write_sheet(
        path, COLUMNS, table_rows(CANDIDATES.rows, STANDING, lambda tag: f"=a {tag.tag}"), WIDTHS
    )
    sheet = read_sheet(path)
    assert sheet[2].cells[:5] == ("object:cat", "drop", "vague", "= not a cat", "object")
    assert sheet[1].cells[5:] == ("dog", "1", "99", "199", "=a dog")
    found = read_table(sheet, CANDIDATES, STANDING, REASONS)
    assert (found.changes, found.errors, found.same, found.withdrawn) == ((), (), 5, ())
    anew = read_table(sheet, CANDIDATES, {}, REASONS)
    assert {change.tag: change.new for change in anew.changes} == STANDING


def test_columns_and_rows_in_any_order_with_more_or_fewer_of_them():
    found = choices(
        "a remark|||",
        "x|drop|Object:Cat|vague",
        "||object:dog|",
        "",
        "|K|object:march",
        header="mine|DECISION|Key|why",
    )
    assert found == {CAT: Choice("drop", None, "vague"), MARCH: Choice("keep")}


def test_a_title_may_stand_above_the_header():
    found = read_table([Row(1, ("Our tags",)), *rows("object:dog|keep||")], CANDIDATES, {})
    assert [change.tag for change in found.changes] == [DOG]


@pytest.mark.parametrize(
    "said, choice",
    [
        ("keep", Choice("keep")),
        ("Keep", Choice("keep")),
        ("KEEP.", Choice("keep")),
        ("k", Choice("keep")),
        ("a", Choice("keep")),
        ("yes", Choice("keep")),
        ("x", Choice("drop")),
        ("D", Choice("drop")),
        ("Dropped", Choice("drop")),
        ("merge object:cat", Choice("merge", "object:cat")),
        ("Merge Object:Cat", Choice("merge", "object:cat")),
        ("merge: cat", Choice("merge", "object:cat")),
        ("m scene:beach", None),
        ("merge scene:beach", Choice("merge", "scene:beach")),
        ("merge object:=cmd", Choice("merge", "object:=cmd")),
        ("merge action:a b", Choice("merge", "action:a  b")),
        ("Retype Scene", Choice("retype", "scene")),
        ("rename hot dog", Choice("rename", "hot dog")),
    ],
)
def test_what_people_write(said, choice):
    found = read(f"object:dog|{said}||")
    if choice is None:
        assert len(found.errors) == 1
    else:
        assert found.changes == (Change(DOG, None, choice),)


@pytest.mark.parametrize(
    "line, error",
    [
        ("object:dog|maybe||", "'maybe' is no decision; write keep, drop, merge KIND:TAG,"),
        ("object:dog|2026-03-01||", "'2026-03-01' is no decision"),
        ("object:dog|keep it||", "'keep it': keep stands alone; put reasons under why or note"),
        ("object:dog|merge||", "merge into '': no candidate"),
        ("object:dog|merge object:cta||", "no candidate, perhaps object:cat; write merge KIND:TAG"),
        ("object:dog|merge dog||", "object:dog is merged into itself"),
        ("object:dog|retype verb||", "retype to 'verb': write one of object, scene, attribute,"),
        ("object:dog|retype object||", "object:dog is retyped to what it is"),
        ("object:dog|rename||", "rename to nothing"),
        ("object:dog|rename dog||", "object:dog is renamed to what it is"),
        ("object:dog|drop|ugly|", "why 'ugly' is no reason of project.toml (known: not-seen, v"),
        ("object:dog|drop||" + "n" * 3000, "the note has 3,000 characters; 2,000 are the most"),
        ("45352|drop||", "key '45352' is no candidate; copy the key column from an export"),
        ("object:dgo|drop||", "key 'object:dgo' is no candidate; copy the key"),
        ("|drop||", "key '' is no candidate"),
        (
            "object:x|keep|||object|march",
            "'object:x' is no candidate; it was probably object:march",
        ),
        ("Mar 01|drop|||object|march", "'Mar 01' is no candidate; it was probably object:march;"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_with_its_number(line, error):
    found = read("object:cat|keep||", line)
    assert len(found.errors) == 1
    assert found.errors[0].startswith("row 3: ")
    assert error in found.errors[0]


def test_all_errors_are_found():
    found = read("object:dog|maybe||", "object:cat|keep||", "object:cat|drop||", "1|x||")
    assert [error[:6] for error in found.errors] == ["row 2:", "row 4:", "row 5:"]
    assert found.errors[1] == "row 4: object:cat stands in row 3 too, otherwise"


def test_the_same_row_twice_is_one_decision():
    assert len(read("object:dog|keep||", "object:dog|k||").changes) == 1


@pytest.mark.parametrize(
    "header, error",
    [
        ("tag|decision", "no header with the columns key and decision; start from `vocab export`"),
        ("key|decision|decision", "row 1: two columns are called decision"),
        ("key|Key|decision", "row 1: two columns are called key"),
    ],
)
def test_a_header_that_cannot_be_read(header, error):
    assert read("object:dog|keep|keep", header=header).errors == (error,)
    assert read_table([], CANDIDATES, {}).errors


def test_a_formula_where_a_decision_belongs_is_refused_and_elsewhere_is_not():
    table = rows("object:dog|=A1||", "object:cat|keep||=1")
    table[1] = table[1]._replace(formulas=frozenset({1}))
    assert read_table(table, CANDIDATES, {}).errors == (
        "row 2: decision is a formula; write the text itself",
    )
    table = rows("object:dog|keep|||=SUM(A1)")
    table[1] = table[1]._replace(formulas=frozenset({4}))
    assert len(read_table(table, CANDIDATES, {}).changes) == 1


def test_a_column_that_was_removed_keeps_its_cells_and_one_that_was_emptied_does_not():
    same = read("object:cat|drop", header="key|decision", standing=STANDING)
    assert (same.changes, same.same) == ((), 1)
    emptied = read("object:cat|drop|vague|", standing=STANDING)
    assert emptied.changes[0].new == Choice("drop", None, "vague")
    other = read("object:cat|keep", header="key|decision", standing=STANDING)
    assert other.changes[0].new == Choice("keep")


def test_a_row_without_its_decision_leaves_it_and_says_so():
    found = read("object:dog|||", "object:march|||", "action:a  b|||", standing=STANDING)
    assert (found.changes, found.withdrawn) == ((), (DOG, MARCH))
    assert summary(found) == [
        "nothing to change",
        "2 rows have no decision where one stands, as on object:dog; it stays (take it back with u "
        "in `vocab review`)",
    ]


def test_the_summary_shows_what_becomes_of_earlier_decisions():
    found = read(
        "object:dog|drop|vague|", "object:cat|k||", "scene:beach|retype object||",
        "action:a b|k||", standing=STANDING,
    )  # fmt: skip
    assert summary(found) == [
        "2 keep, 1 drop; 1 as before",
        "2 change earlier decisions:",
        "  object:cat: drop (vague) -> keep",
        "  object:dog: keep -> drop (vague)",
        "1 merged into a tag that is dropped, as object:march into object:dog; keep the one or "
        "drop the other, or `vocab build` fails",
    ]
    assert summary(found, shown=1)[-2] == "  ... 1 more"
    noted = read("object:dog|keep||a pet", standing=STANDING)
    assert summary(noted)[-1] == "  object:dog: keep -> keep, note 'a pet'"
    bare = read("object:dog|keep||", standing={tag_of("object:dog"): Choice("keep", note="a pet")})
    assert summary(bare)[-1] == "  object:dog: keep -> keep, without its note"


@pytest.mark.parametrize(
    ("line", "standing", "lost"),
    [
        ("object:dog|merge object:cat||", {CAT: Choice("drop")}, ((DOG, CAT),)),
        ("object:cat|drop||", {DOG: Choice("merge", "object:cat")}, ((DOG, CAT),)),
        ("object:dog|merge object:cat||", {CAT: Choice("keep")}, ()),
        ("object:dog|merge object:cat||", {}, ()),
        ("object:march|k||", {DOG: Choice("merge", "object:cat"), CAT: Choice("drop")}, ()),
    ],
)
def test_a_merge_into_what_is_dropped_is_named(line, standing, lost):
    found = read(line, standing=standing)
    assert found.lost == lost
    assert any("merged into a tag that is dropped" in said for said in summary(found)) is bool(lost)


def test_a_table_may_merge_into_what_it_drops_itself():
    found = read("object:dog|merge object:cat||", "object:cat|drop||")
    assert (found.errors, found.lost) == ((), ((DOG, CAT),))


def test_a_note_of_several_lines_is_no_change():
    event = Event(id="1", ts=1, by="a", key="object:dog", act="keep", note="one\n two")
    standing = {DOG: choice_of(event)}
    assert read("object:dog|keep||one two", standing=standing).same == 1


CHOICES = st.one_of(
    st.just(Choice("keep")),
    st.sampled_from([Choice("drop", None, why) for why in (None, *REASONS)]),
    st.sampled_from(KEYS).map(lambda key: Choice("merge", key)),
    st.text("abc =+", min_size=1).map(lambda text: " ".join(text.split())).filter(bool)
    .map(lambda text: Choice("rename", text)),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([DOG, CAT, MARCH, CMD, AB]), CHOICES), st.randoms())
def test_any_decisions_survive_the_way_through_a_shuffled_spreadsheet(
    tmp_path_factory, decisions, chance
):
    decisions = {
        tag: choice
        for tag, choice in decisions.items()
        if choice.to not in (f"{tag.kind}:{tag.tag}", tag.tag)
    }
    path = tmp_path_factory.mktemp("t") / "t.tsv"
    write_sheet(path, COLUMNS, table_rows(CANDIDATES.rows, decisions), WIDTHS)
    order = chance.sample(range(len(COLUMNS)), len(COLUMNS))
    header, *rest = [
        Row(row.number, tuple(row.cells[i] for i in order)) for row in read_sheet(path)
    ]
    chance.shuffle(rest)
    found = read_table([header, *rest], CANDIDATES, {}, REASONS)
    assert not found.errors
    assert {change.tag: change.new for change in found.changes} == decisions


def test_the_columns_of_an_export_keep_their_names():
    names = "key decision why note kind tag rank images captions example"
    assert names.split() == list(COLUMNS)
