"""CSV upload: a table of workers, looked at, mapped, checked by the backend, planned, and only then accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import columns, session, sheet, show
from iam_platform.ui.backend import BackendError, part
from iam_platform.ui.page import page

from . import csv_job, job_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamlit.runtime.uploaded_file_manager import UploadedFile

_LEFT_OUT = "left out"
_KEPT = "_csv"
_COLUMNS = {"column": "Column of the file", "field": "Is read as"}
_UPLOADS = {
    "when": "When",
    "file": "File",
    "mode": "What",
    "state": "State",
    "rows": "Rows",
    "accepted": "Accepted",
    "rejected": "With errors",
    "open": "Details",
}
_MODES = {"validate": "checked", "apply": "accepted"}


@page(
    "CSV Upload",
    "csv-upload",
    "📄",
    "hr.upload",
    "Many people at once, from a file. Nothing is accepted before you have seen what would happen.",
)
def csv_upload() -> None:
    """Draws it."""
    job = st.query_params.get("job")
    if job:
        csv_job.draw(job)
        return
    _start()
    _history()


def _start() -> None:
    backend = session.backend()
    st.header("1. Choose a file", anchor=False)
    st.download_button(
        "Download an empty table",
        data=lambda: backend.content("/hr/template.csv"),
        file_name="workers.csv",
        mime="text/csv",
        key="csv-template",
        on_click="ignore",
        icon="⬇️",
        help="Its first line has the columns that are used most. Names are matched loosely: “Employee ID” is employeeId.",
    )
    file = st.file_uploader("Table of workers (CSV)", type=["csv", "txt", "tsv"], key="csv-file")
    if file is None:
        return
    _forget_other(file)
    try:
        encoding = _encoding(file)
        found = _looked(file, encoding)
    except sheet.SheetError as error:
        st.error(f"**{show.text(error.title)}.** {show.text(error.advice)}", icon="⛔")
        return
    st.markdown(
        f"**{show.text(file.name)}**: {_size(file.size)}, {show.text(sheet.ENCODINGS[found.encoding])}, "
        f"{len(found.names)} columns with {sheet.DELIMITERS[found.delimiter]} between them."
    )
    fields = _mapped(found)
    _preview(found, fields)
    _check(file, found, fields)


def _forget_other(file: UploadedFile) -> None:
    """Choices belong to one file."""
    if st.session_state.get(_KEPT, {}).get("file") == file.file_id:
        return
    for key in [key for key in st.session_state if str(key).startswith(("csv-map-", "csv-encoding", "csv-all"))]:
        del st.session_state[key]
    st.session_state[_KEPT] = {"file": file.file_id}


def _encoding(file: UploadedFile) -> str:
    kept = st.session_state[_KEPT]
    if "encoding" not in kept:
        with st.spinner("Reading the file…"):
            kept["encoding"] = sheet.encoding_of(file)
    likely: str = kept["encoding"]
    if likely == "utf-8-sig":
        return likely
    st.warning(
        f"**This file is not UTF-8.** It is read as {show.text(sheet.ENCODINGS[likely])}, and sent as UTF-8. "
        "Look whether names are right in the first rows below; if not, choose another way to read it.",
        icon="⚠️",
    )
    ways = list(sheet.ENCODINGS)
    chosen = st.selectbox(
        "How the file is written",
        ways,
        index=ways.index(likely),
        format_func=sheet.ENCODINGS.__getitem__,
        key="csv-encoding",
    )
    return chosen or likely


def _looked(file: UploadedFile, encoding: str) -> sheet.Sheet:
    kept = st.session_state[_KEPT]
    found: sheet.Sheet | None = kept.get("sheet")
    if found is None or found.encoding != encoding:
        found = kept["sheet"] = sheet.look(file, encoding)
    return found


# --- columns --------------------------------------------------------------------------------------------------------


def _mapped(found: sheet.Sheet) -> list[str | None]:
    """The field of each column: known ones by their name, others as somebody chooses."""
    st.header("2. Columns", anchor=False)
    known = [columns.meaning(name) for name in found.names]
    doubted = columns.twice(known)
    asked = [place for place, field in enumerate(known) if field is None or field in doubted]
    if len(asked) < len(known):
        clear = [{"column": found.names[place], "field": columns.label(field)} for place, field in _clear(known, asked)]
        show.table(clear, _COLUMNS, caption="Columns that are known by their name")
        if st.checkbox("Change these, too", key="csv-all"):
            asked = list(range(len(known)))
    if doubted:
        st.warning(
            f"**More than one column means {show.text(', '.join(doubted))}.** Leave out all but one of them.", icon="⚠️"
        )
    unknown = [found.names[place] or f"column {place + 1}" for place, field in enumerate(known) if field is None]
    if unknown:
        st.markdown(f"Not known by their name: {show.text(', '.join(unknown))}. Say what they are, or leave them out.")
    fields: list[str | None] = list(known)
    beside = st.columns(3)
    for number, place in enumerate(asked):
        with beside[number % 3]:
            fields[place] = _choice(found, place, known[place])
    return fields


def _clear(known: list[str | None], asked: list[int]) -> list[tuple[int, str]]:
    return [(place, field) for place, field in enumerate(known) if field is not None and place not in asked]


def _choice(found: sheet.Sheet, place: int, known: str | None) -> str | None:
    options = [_LEFT_OUT, *columns.KNOWN]
    name = found.names[place] or f"column {place + 1}"
    sample = next((cells[place] for _, cells in found.rows if len(cells) > place and cells[place].strip()), "")
    key = f"csv-map-{place}"
    st.session_state.setdefault(key, known or _LEFT_OUT)
    chosen = st.selectbox(
        f"Column “{show.text(name)}”",
        options,
        format_func=lambda field: field if field == _LEFT_OUT else columns.label(field),
        key=key,
        help=f"For example: {show.text(sample[:80])}" if sample else None,
    )
    return None if chosen == _LEFT_OUT else chosen


def _preview(found: sheet.Sheet, fields: list[str | None]) -> None:
    used = {str(place): field for place, field in enumerate(fields) if field is not None}
    if not used:
        return
    show.table(
        [{str(place): cell for place, cell in enumerate(cells)} | {"line": line} for line, cells in found.rows],
        {"line": "Line", **used},
        caption="The first rows, as they will be read",
        numbers=("line",),
        empty="There are no rows below the header.",
        hint="Add a row for each worker.",
    )


# --- to the backend -------------------------------------------------------------------------------------------------


def _check(file: UploadedFile, found: sheet.Sheet, fields: list[str | None]) -> None:
    st.header("3. Check it", anchor=False)
    wrong = [f"The file does not have {one}: map a column to it." for one in columns.missing(fields)]
    wrong += [f"Two columns mean {field}: leave one of them out." for field in columns.twice(fields)]
    if not found.rows:
        wrong.append("There are no rows below the header.")
    for one in wrong:
        st.error(show.text(one), icon="⛔")
    source = _source()
    if not st.button(
        "Check the file",
        key="csv-check",
        type="primary",
        disabled=bool(wrong),
        help="Say first what is missing above." if wrong else "Nothing is accepted by that.",
    ):
        return
    with st.spinner("Sending the file…"):
        sent = sheet.Sent(file, found, sheet.headings(found, fields))
        job: dict[str, Any] = session.backend().upload(
            "/hr/upload-csv", file.name, sent, mode="validate", ignore_unknown=True, source=source
        )
    st.session_state.pop(_KEPT, None)
    job_list.opened(job["id"])


def _source() -> str | None:
    """Of which source the file is the whole, if it is."""
    with st.expander("The file is a whole delivery of a source"):
        st.markdown(
            "Name the source if the file holds **everybody** it knows of. It is compared with the last good delivery "
            "then, and held as a whole where it looks broken: half of the people missing, for example."
        )
        typed = st.text_input("Source", key="csv-source", max_chars=64, placeholder="workday-au").strip()
    if not typed:
        return None
    if not all(one.isascii() and (one.isalnum() or one in "._-") for one in typed):
        st.error("Source: expected letters, digits, full stops, hyphens and underscores.", icon="⛔")
        return None
    return typed


# --- history --------------------------------------------------------------------------------------------------------


def _history() -> None:
    st.header("Uploads until now", anchor=False)
    state = job_list.one_of("State", job_list.STATES, "state")
    try:
        found = job_list.read(kind="upload", state=state)
    except BackendError as error:
        show.problem(error, key="csv-history")
        return
    filtered = job_list.is_filtered(state)
    show.table(
        [_upload(job) for job in found["jobs"]],
        _UPLOADS,
        caption="Uploads, newest first",
        numbers=("rows", "accepted", "rejected"),
        signs=("state",),
        empty="There is no such upload." if filtered else "Nobody has uploaded a file yet.",
        hint="Choose another state." if filtered else "Choose a file above: nothing is accepted by that alone.",
    )
    job_list.onward(found, "csv")


def _upload(job: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "when": show.instant(job.get("created_at")),
        "file": job.get("file") or "",
        "mode": _MODES.get(job.get("mode") or "", job.get("mode")),
        "state": show.state(job["state"]),
        **{name: job_list.count(job, name) for name in ("rows", "accepted", "rejected")},
        "open": show.link(f"/csv-upload?job={part(job['id'])}", "Open"),
    }


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:,.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.1f} MiB"
