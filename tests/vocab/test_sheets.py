import re
import zipfile
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab import sheets
from vocab.errors import InputError
from vocab.install import install_hint
from vocab.sheets import protect, read_sheet, unprotect, write_sheet

openpyxl = pytest.importorskip("openpyxl", reason="XLSX needs openpyxl")

HEADER = ("key", "rank", "note")
ROWS = [
    ["object:dog", 1, "=1+1"],
    ["object:=cmd|' /C calc'!A0", 2, "+49 1"],
    ['object:a"b,c;d', 3, '"quoted", "twice"'],
    ["object:march", 4, "3-1"],
    ["object:3d", 5, "'tis"],
    ["object:null", 6, "'=x"],
    ["action:à la carte", 7, "@here -> 犬"],
    ["object:1e5", 8, "007"],
]
TEXTS = [HEADER, *(tuple(map(str, row)) for row in ROWS)]


def cells(path):
    return [row.cells for row in read_sheet(path)]


@pytest.mark.parametrize("suffix", ["tsv", "xlsx"])
def test_every_text_comes_back_as_it_was(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    write_sheet(path, HEADER, ROWS, (20, 8, 20))
    assert cells(path) == TEXTS
    assert [row.number for row in read_sheet(path)] == list(range(1, 10))
    assert not any(row.formulas for row in read_sheet(path))


def test_no_cell_of_a_tsv_can_act_as_a_formula(tmp_path):
    write_sheet(tmp_path / "t.tsv", HEADER, ROWS, ())
    written = (tmp_path / "t.tsv").read_text().splitlines()
    assert not any(c.startswith(("=", "+", "-", "@")) for line in written for c in line.split("\t"))


def test_no_cell_of_an_xlsx_is_a_formula_or_will_become_a_date(tmp_path):
    write_sheet(tmp_path / "t.xlsx", HEADER, ROWS, (20, 8, 20))
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    kinds = {(cell.data_type, cell.number_format) for row in sheet.iter_rows() for cell in row}
    assert kinds == {("s", "@"), ("n", "General")}
    assert sheet.freeze_panes == "B2"


def test_a_note_with_control_characters_does_not_stop_an_export(tmp_path):
    write_sheet(tmp_path / "t.xlsx", ("note",), [["a\x1b[31m b\x00"]], (20,))
    assert cells(tmp_path / "t.xlsx")[1] == ("a[31m b",)


def test_the_exported_sheet_is_read_wherever_it_stands(tmp_path):
    path = tmp_path / "t.xlsx"
    write_sheet(path, HEADER, ROWS, (20, 8, 20))
    book = openpyxl.load_workbook(path)
    book.create_sheet("my sums", 0).append(["total", 7])
    book.save(path)
    assert cells(path) == TEXTS


def test_a_row_number_from_nowhere_ends(tmp_path):
    path = tmp_path / "t.xlsx"
    write_sheet(path, ("key",), [["object:dog"]], (20,))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = (
        parts[name].replace(b'r="2"', b'r="99999999999"').replace(b'r="A2"', b'r="A99999999999"')
    )
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    with pytest.raises(InputError, match="has rows past 1,048,576; save it again"):
        read_sheet(path)


@given(st.text())
def test_protection_is_undone(text):
    assert unprotect(protect(text)) == text
    assert not protect(text).startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_as_spreadsheets_save_it(tmp_path, encoding, delimiter, end):
    lines = [("key", "decision", "", ""), ("object:dog", '"Keep"', "", ""), ("", "", "", "")]
    text = "".join(delimiter.join(line) + end for line in lines)
    path = tmp_path / "t.csv"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path.write_bytes((mark + text).encode(encoding))
    assert cells(path) == [lines[0], ("object:dog", "Keep", "", "")]


def test_a_workbook_as_people_leave_it(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["B3"], sheet["C3"] = "key", "note"
    sheet["B4"], sheet["C4"] = "object:dog", "=1+1"
    sheet["B6"], sheet["C6"], sheet["D6"] = 45.0, datetime(2026, 3, 1), True
    sheet["B7"] = "a\n b\u00a0 c"
    sheet.merge_cells("C3:D3")
    book.create_sheet("other")["A1"] = "key"
    book.save(tmp_path / "t.xlsx")
    rows = read_sheet(tmp_path / "t.xlsx")
    assert [(row.number, row.cells) for row in rows] == [
        (3, ("", "key", "note")),
        (4, ("", "object:dog", "=1+1")),
        (6, ("", "45", "2026-03-01", "True")),
        (7, ("", "a b c")),
    ]
    assert [row.formulas for row in rows] == [{*()}, {2}, {*()}, {*()}]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"PK\x03\x04rubbish", "not readable as XLSX"),
        (b"\xd0\xcf\x11\xe0 an old or encrypted workbook", "is neither XLSX nor text in UTF-8"),
        (b"key\tdecision\nobject:dog\xff\tkeep\n", "is neither XLSX nor text in UTF-8"),
        (b'key\tnote\nobject:dog\t"never closed\n', "save the file again"),
        (b"key\n" + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path, data, message):
    (tmp_path / "t.xlsx").write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        read_sheet(tmp_path / "t.xlsx")
    assert "\n" not in str(error.value)


def test_a_zip_that_is_no_workbook_or_unpacks_to_a_flood_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<" + b" " * 2_000_000)
    with pytest.raises(InputError, match="not readable as XLSX"):
        read_sheet(path)
    monkeypatch.setattr(sheets, "MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="unpacks to more than 1 MiB; split it"):
        read_sheet(path)
    (tmp_path / "t.tsv").write_bytes(b"x" * 2_000_000)
    with pytest.raises(InputError, match="is larger than 1 MiB; split it"):
        read_sheet(tmp_path / "t.tsv")
    monkeypatch.setattr(sheets, "MAX_CELLS", 3)
    (tmp_path / "t.tsv").write_text("a\tb\nc\td\n")
    with pytest.raises(InputError, match="has more than 3 cells; split it"):
        read_sheet(tmp_path / "t.tsv")


def test_other_names_and_missing_files_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"t.xls: the name must end in .tsv or .xlsx"):
        write_sheet(tmp_path / "t.xls", HEADER, [], ())
    with pytest.raises(InputError, match="cannot be read"):
        read_sheet(tmp_path / "no.tsv")


def test_without_openpyxl_the_line_to_type_is_said(tmp_path, monkeypatch):
    write_sheet(tmp_path / "t.xlsx", HEADER, [], (1, 1, 1))
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(InputError, match=re.escape(f"{install_hint('review')}, or use TSV")):
        write_sheet(tmp_path / "t.xlsx", HEADER, [], ())
    with pytest.raises(InputError, match=re.escape(f"{install_hint('review')}, or use TSV")):
        read_sheet(tmp_path / "t.xlsx")
