"""Which files go with a report, and what is said of each. Nothing is said that no record shows."""

from __future__ import annotations

import hashlib
from datetime import datetime

from nightlight.core.bank import BankKind, Match
from nightlight.core.case import Finding
from nightlight.core.casefile import CaseFile, MediaFile
from nightlight.core.draft import DraftFile
from nightlight.core.fingerprint import FingerprintKind
from nightlight.reporting.building import Building, quoted
from nightlight.reporting.cybertipline.rules import says_score
from nightlight.reporting.cybertipline.table import FILE_ANNOTATIONS, FILE_DETAILS, REPORTED, SUPPLEMENTAL
from nightlight.reporting.parties import put_device, put_ip

HASH_NAMES = {FingerprintKind.MD5: "MD5", FingerprintKind.SHA1: "SHA1", FingerprintKind.SHA256: "SHA256", FingerprintKind.PDQ: "PDQ"}


def viewed(media: MediaFile, now: datetime) -> bool:
    """Whether a person saw this very file: a recorded view of the same bytes, whole and unblurred. Anything less is no."""
    return bool(media.sha256) and any(
        view.sha256.lower() == media.sha256.lower() and view.whole and view.unblurred and view.at <= now for view in media.views
    )


def listed(media: MediaFile) -> tuple[Match, ...]:
    """Matches of the very bytes with a list: such a file may be reported though nobody looked at it."""
    return tuple(
        match
        for match in media.matches
        if match.kind.is_exact
        and match.distance == 0
        and match.bank_kind in (BankKind.OWN, BankKind.PARTNER)
        and not (match.derived or match.paused)
    )


def belongs(media: MediaFile) -> bool:
    """Whether the file goes with the report: a person found it to be what is reported, or it is listed, or it only supplements.

    What a person found harmless never goes, whatever list it is on.
    """
    if media.finding is Finding.NOT_CONFIRMED:
        return False
    return not media.reported or media.finding is Finding.CONFIRMED or bool(listed(media))


def included(file: CaseFile) -> tuple[list[MediaFile], list[MediaFile], list[MediaFile]]:
    """Files that go; those that would but whose bytes are not held; those that wait for a person's look."""
    going: list[MediaFile] = []
    unheld: list[MediaFile] = []
    undecided: list[MediaFile] = []
    for media in sorted(file.media, key=lambda one: (not one.reported, one.at, one.id)):
        if belongs(media):
            (going if media.held else unheld).append(media)
        elif media.finding is not Finding.NOT_CONFIRMED:
            undecided.append(media)
    return going, unheld, undecided


def media_file(media: MediaFile, file: CaseFile, now: datetime) -> DraftFile:
    out = Building(FILE_DETAILS, now)
    out.put("fileName", media.name or media.id)
    out.put("originalFileName", media.original_name)
    out.put("uploadedToEspTimestamp", media.at)
    out.put("locationOfFile", media.url)
    out.put("fileViewedByEsp", viewed(media, now))
    out.put("exifViewedByEsp", media.exif_viewed)
    out.put("publiclyAvailable", media.public)
    out.put("fileRelevance", REPORTED if media.reported else SUPPLEMENTAL)
    _put_annotations(out, media, file)
    if media.reported and file.service.may_classify and media.finding is Finding.CONFIRMED and media.classification is not None:
        out.put("industryClassification", media.classification.value)
    for kind, value in hashes(media):
        out.put("originalFileHash", value, hashType=kind)
    if media.ip is not None:
        put_ip(out, media.ip)
    for device in dict.fromkeys(media.devices):
        put_device(out, device)
    _put_exif(out, media)
    out.notes_into("additionalInfo", _how_known(media, now), media.note)
    return DraftFile(name=media.name or media.id, details=out.node(), media=media.id, sha256=media.sha256, media_type=media.media_type)


def text_file(name: str, text: str, about: str, now: datetime) -> DraftFile:
    """A text that we made ourselves: no upload time, no hash of an original, and nobody is said to have viewed it."""
    out = Building(FILE_DETAILS, now)
    out.put("fileName", name)
    out.put("fileRelevance", SUPPLEMENTAL)
    out.put("additionalInfo", about)
    content = text.encode("utf-8", "replace")
    return DraftFile(
        name=name, details=out.node(), content=content, sha256=hashlib.sha256(content).hexdigest(), media_type="text/plain; charset=utf-8"
    )


def hashes(media: MediaFile) -> list[tuple[str, str]]:
    """Name and value of each hash of the file itself; hashes of views of it are none of an authority's business."""
    found = [(HASH_NAMES[h.kind], h.value) for h in media.hashes if h.kind in HASH_NAMES and not h.variant and h.kind.fits(h.value)]
    own = [("SHA256", media.sha256.lower())] if FingerprintKind.SHA256.fits(media.sha256.lower()) else []
    return list(dict.fromkeys((*own, *found)))


def _put_annotations(out: Building, media: MediaFile, file: CaseFile) -> None:
    wanted = {name for name in media.annotations if name in FILE_ANNOTATIONS}
    if media.reported and file.generated and media.finding is Finding.CONFIRMED:
        wanted.add("generativeAi")
    if any(match.generated for match in listed(media)):
        wanted.add("generativeAi")  # the list says so, of these very bytes
    if media.reported and file.livestreamed and media.finding is Finding.CONFIRMED:
        wanted.add("liveStreaming")
    if not media.reported:
        wanted.discard("potentialMeme")
    annotations = out.part("fileAnnotations")
    for name in FILE_ANNOTATIONS:
        annotations.flag(name, name in wanted)
    out.take(annotations)
    if unknown := sorted(set(media.annotations) - set(FILE_ANNOTATIONS)):
        out.notes.append(f"A person also noted of this file:\n{quoted(', '.join(unknown))}")


def _put_exif(out: Building, media: MediaFile) -> None:
    details = out.part("details")
    details.attribute("type", "EXIF")
    for name, value in media.exif[:200]:
        if says_score(f"{name}: {value}"):  # whoever made the file wrote that; it must not read like a finding of ours
            out.notes.append(f"Of the file's EXIF data:\n{quoted(f'{name}: {value}')}")
            continue
        pair = details.part("nameValuePair")
        pair.put("name", name)
        pair.put("value", value)
        made = pair.node()
        if made.first("name") is not None and made.first("value") is not None:
            details.take(pair)
    out.take(details)


def _how_known(media: MediaFile, now: datetime) -> str:
    said = []
    matches = listed(media)
    if matches:
        kinds = ", ".join(dict.fromkeys(HASH_NAMES[match.kind] for match in matches))
        whose = "an authority's list" if any(match.authority for match in matches) else "a list of known material"
        said.append(f"The file's bytes are on {whose} ({kinds}).")
    if media.finding is Finding.CONFIRMED:
        said.append("A person at the service found that the file is what is reported.")
    if not viewed(media, now):
        partly = any(view.sha256.lower() == media.sha256.lower() for view in media.views) if media.sha256 else False
        said.append("It was seen only in part or blurred." if partly else "No person at the service has viewed it.")
    return " ".join(said)
