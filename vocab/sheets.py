"""Spreadsheet files as rows of texts: XLSX, and TSV or CSV as spreadsheets read and write them."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, NamedTuple

from vocab.errors import InputError
from vocab.files import write_whole
from vocab.install import install_hint

SUFFIXES: Final = (".tsv", ".xlsx")
MAX_BYTES: Final = 1 << 28  # of a file, unpacked: a sheet of 50,000 candidates has some 40 MB
MAX_CELLS: Final = 10_000_000
MAX_ROWS: Final = 1 << 20  # of a spreadsheet
SHEET: Final = "review"
_RISKY: Final = ("=", "+", "-", "@", "'")  # a spreadsheet takes what begins so for a formula
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML, and so XLSX, cannot hold


class Row(NamedTuple):
    """A row as it is numbered in the spreadsheet; ``formulas`` are the cells that were one."""

    number: int
    cells: tuple[str, ...]
    formulas: frozenset[int] = frozenset()


def write_sheet(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]], widths: Sequence[int]
) -> None:
    """Write a table as TSV or XLSX, by the suffix; no text can act as a formula.

    :class:`InputError` when the suffix is another or openpyxl is missing.
    """
    if path.suffix == ".xlsx":
        write_whole(path, _xlsx(header, rows, widths))
    elif path.suffix == ".tsv":
        write_whole(path, _tsv(header, rows))
    else:
        raise InputError(f"{path}: the name must end in {' or '.join(SUFFIXES)}")


def _tsv(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([protect(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def protect(text: str) -> str:
    """Return the text as a cell of TSV that no spreadsheet calculates; :func:`unprotect` undoes."""
    return f"'{text}" if text.startswith(_RISKY) else text


def unprotect(cell: str) -> str:
    """Return what :func:`protect` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell


def _xlsx(
    header: Sequence[str], rows: Iterable[Sequence[str | int]], widths: Sequence[int]
) -> bytes:
    openpyxl = _openpyxl()
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(SHEET)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(header))}1"
    for index, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(index)].width = width

    def cell(value: str | int, *, bold: bool = False) -> Any:
        text = isinstance(value, str)
        made = WriteOnlyCell(sheet, value=_UNFIT.sub("", str(value)) if text else value)
        if text:
            made.data_type = "s"  # whatever it begins with
            made.number_format = "@"  # what people type into it stays as they typed it
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(name, bold=True) for name in header])
    for row in rows:
        sheet.append([cell(value) for value in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        hint = install_hint("review")
        raise InputError(f"XLSX needs openpyxl: {hint}, or use TSV") from error
    # A style or a name that it misses is no reason to speak.
    warnings.filterwarnings("ignore", module=r"openpyxl\.")
    return openpyxl


def read_sheet(path: Path) -> list[Row]:
    """Return the rows of an XLSX, TSV or CSV file that are not blank.

    CSV may be parted by comma, semicolon or tab, in UTF-8 or UTF-16, with or without a mark at
    its start, with any line ends. :class:`InputError` when it is none of these, or too large.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if data is None:
        raise InputError(f"{path}: is larger than {MAX_BYTES >> 20} MiB; split it")
    rows = _xlsx_rows(path, data) if data.startswith(b"PK") else _text_rows(path, data)
    found = []
    cells = 0
    for row in rows:
        cells += len(row.cells)
        if cells > MAX_CELLS:
            raise InputError(f"{path}: has more than {MAX_CELLS:,} cells; split it")
        if any(row.cells):
            found.append(row)
    return found


def _text_rows(path: Path, data: bytes) -> Iterator[Row]:
    try:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is neither XLSX nor text in UTF-8; save it as one of them"
        ) from error
    first = text.partition("\n")[0]
    delimiter = max("\t;,", key=first.count)  # the earlier one where none stands
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield Row(reader.line_num, tuple(_text(unprotect(cell)) for cell in cells))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}; save the file again") from error


def _xlsx_rows(path: Path, data: bytes) -> Iterator[Row]:
    openpyxl = _openpyxl()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > MAX_BYTES:
            raise InputError(f"{path}: unpacks to more than {MAX_BYTES >> 20} MiB; split it")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
        yield from _sheet(path, book)
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in any part of zip, XML or openpyxl
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(f"{path}: not readable as XLSX ({reason}); save it again") from error


def _sheet(path: Path, book: Any) -> Iterator[Row]:
    """Yield the rows of the sheet that an export made, whatever stands before it, or the first."""
    sheet = book[SHEET] if SHEET in book.sheetnames else book.worksheets[0]
    sheet.reset_dimensions()  # what the file says of its own size need not be true
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if number > MAX_ROWS:
            raise InputError(f"{path}: has rows past {MAX_ROWS:,}; save it again")
        formulas = {i for i, cell in enumerate(cells) if cell.data_type == "f"}
        yield Row(number, tuple(_text(cell.value) for cell in cells), frozenset(formulas))


def _text(value: object) -> str:
    """Return a cell as one clean text; a number or a date as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split())
