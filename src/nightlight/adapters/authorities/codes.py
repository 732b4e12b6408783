"""What the CyberTipline's answers mean: its XML, its response codes, and HTTP's where there is neither.

Sources: the public clients ncmec-go (Boostport), ncmec-cybertip (Nachtalb), Cybertipline-Tools, ncmec_reporting (ello) and Coop (ROOST).
Failures have come with HTTP 200, refused documents with HTTP 400, and 401 with no body at all: the code in the XML is what counts.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec.structs import replace

from nightlight.adapters.authorities.timed import Got
from nightlight.core.filing import Answer, Call, Outcome

CODES: Mapping[int, tuple[Outcome, str]] = {
    0: (Outcome.DONE, ""),
    1000: (Outcome.LATER, "the authority has an error of its own"),
    1001: (Outcome.DOCUMENT, "the document is no well-formed XML, says the authority"),  # the old form of 4110
    1100: (Outcome.LATER, "the authority could not save it"),
    1110: (Outcome.LATER, "the authority could not take the upload"),
    1111: (Outcome.LATER, "the authority could not take the file"),
    1210: (Outcome.REFUSED, "the authority has nothing at this address"),
    1300: (Outcome.LATER, "the authority could not save the change"),
    2000: (Outcome.CREDENTIALS, "the authority does not accept user name and password"),
    3000: (Outcome.CREDENTIALS, "the account may not do this"),
    3100: (Outcome.CREDENTIALS, "the account may not submit reports"),
    3300: (Outcome.CREDENTIALS, "the account may not change this report"),
    4000: (Outcome.REFUSED, "the authority does not accept the request"),
    4100: (Outcome.DOCUMENT, "the document breaks the authority's rules"),
    4110: (Outcome.DOCUMENT, "the document is no well-formed XML, says the authority"),
    4200: (Outcome.FILE, "the authority does not accept the file"),
    5001: (Outcome.GONE, "the authority has no such report: it expired"),
    5002: (Outcome.FILE_GONE, "the authority has no such file"),
    5101: (Outcome.RETRACTED, "it was retracted before"),
    5102: (Outcome.FINISHED, "it was finished before"),
}
"""By response code; the words are for reviewers and operators."""
FAMILIES: Mapping[int, Outcome] = {1: Outcome.LATER, 2: Outcome.CREDENTIALS, 3: Outcome.CREDENTIALS, 4: Outcome.DOCUMENT}
"""A code that is not in the table, by its thousands. Of others nothing is known but that it did not work."""
NEEDS = {Call.SUBMIT: "reportId", Call.UPLOAD: "fileId", Call.FINISH: "reportId"}
"""What a success must name to be one."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_WAIT_S = 6 * 3600.0


def read(call: Call | None, got: Got) -> Answer:
    """What was answered. Never raises: an answer that cannot be read is one whose effect is not known."""
    request_id = got.headers.get("request-id")
    base = Answer(
        outcome=Outcome.LATER,
        status=got.status,
        request_id=_clean(request_id, 200) if request_id else None,
        retry_after_s=_wait(got.headers.get("retry-after")),
    )
    root = parsed(got.body)
    if root is None or root.tag not in ("reportResponse", "reportDoneResponse"):
        return _by_status(base)
    said = (root.findtext("responseCode") or "").strip()
    if re.fullmatch(r"-?[0-9]{1,9}", said, re.ASCII) is None:
        return _by_status(base)
    base = replace(base, code=int(said), detail=_clean(root.findtext("responseDescription") or "", 4000))
    return _by_code(call, base, root)


def _by_code(call: Call | None, base: Answer, root: ET.Element) -> Answer:
    code = base.code or 0
    outcome, reason = CODES.get(code) or (FAMILIES.get(code // 1000, Outcome.LATER), "the authority's code is not one we know")
    if outcome is not Outcome.DONE:
        return replace(base, outcome=outcome, reason=f"{reason} (code {code})")
    if base.status is None or not 200 <= base.status < 300:
        return replace(base, reason=f"the answer contradicts itself: code 0 with HTTP {base.status}")
    done = call is Call.FINISH
    if call is not None and (root.tag == "reportDoneResponse") is not done:
        return replace(base, reason="the answer is one to another question")
    ids = {name: (root.findtext(name) or "").strip() or None for name in ("reportId", "fileId")}
    files = tuple((f.text or "").strip() for f in root.findall("files/fileId"))
    given = [i for i in (*ids.values(), *files) if i is not None]
    wanted = NEEDS.get(call) if call is not None else None
    if any(_ID.fullmatch(i) is None for i in given) or (wanted is not None and ids[wanted] is None):
        return replace(base, reason="the answer says that it worked and gives no usable id")
    return replace(base, outcome=Outcome.DONE, report_id=ids["reportId"], file_id=ids["fileId"], files=files)


def md5_of(body: bytes) -> str | None:
    """The file's MD5 as the authority received it, in lower case."""
    root = parsed(body)
    found = root.findtext("hash") if root is not None else None
    return found.strip().lower() if found else None


def parsed(body: bytes) -> ET.Element | None:
    """The root without namespaces; None for what is no complete XML, or has a document type."""
    if any(word in body for word in (b"<!DOCTYPE", b"<!ENTITY", b"\0")):  # a NUL: UTF-16, which would hide them
        return None
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document type, so nothing in it expands
    except (ET.ParseError, ValueError, LookupError):
        return None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    return root


def _by_status(base: Answer) -> Answer:
    """Of an answer without a code that can be read."""
    status = base.status or 0
    if status in (401, 403):
        return replace(base, outcome=Outcome.CREDENTIALS, reason=f"the authority does not accept user name and password (HTTP {status})")
    if status == 413:
        return replace(base, outcome=Outcome.FILE, reason="it is too large for the authority (HTTP 413)")
    if 300 <= status < 400:
        return replace(base, outcome=Outcome.REFUSED, reason=f"it points to another address, which was not followed (HTTP {status})")
    if status in (404, 405, 410):
        return replace(base, outcome=Outcome.REFUSED, reason=f"the authority has nothing at this address (HTTP {status})")
    if 400 <= status < 500 and status not in (408, 425, 429):
        return replace(base, outcome=Outcome.REFUSED, reason=f"the authority does not accept the request (HTTP {status})")
    if 200 <= status < 300:
        return replace(base, reason=f"the answer cannot be read (HTTP {status})")
    return replace(base, reason=f"the authority cannot answer just now (HTTP {status})")


def _clean(said: str, most: int) -> str:
    return "".join(c if c.isprintable() else " " for c in said)[:most].strip()


def _wait(said: str | None) -> float | None:
    """Seconds; the header holds a number of them or a date."""
    if not said:
        return None
    try:
        number = said.strip()
        seconds = (
            float(number) if number.isascii() and number.isdigit() else (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        )
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MOST_WAIT_S)
