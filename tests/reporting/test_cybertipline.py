"""What the writer writes passes the validator and comes back as it was; each rule broken alone gives exactly its fault."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.core.document import Node
from nightlight.core.errors import Invalid, TooLarge
from nightlight.reporting.cybertipline import MAX_FAULTS, check, check_document, read, with_ids, write
from nightlight.reporting.cybertipline.order import ordered
from nightlight.reporting.cybertipline.schema import Choice, Element, Group, elements_below
from nightlight.reporting.cybertipline.table import FILE_DETAILS, INCIDENT_TYPES, REPORT, SUPPLEMENTAL
from nightlight.reporting.cybertipline.xmltext import MAX_BYTES
from tests.reporting.documents import NOW, breakages, valid, whole

ROOTS = pytest.mark.parametrize("root", [REPORT, FILE_DETAILS], ids=lambda root: root.name)

# The sequences as the field's public clients document them, by hand and not from our table: `*` many, `!` required.
SEQUENCES = {
    "/report": "batchedReport incidentSummary! internetDetails* lawEnforcement reporter! personOrUserReported* intendedRecipient* victim* "
    "additionalInfo",
    "/report/incidentSummary": "incidentType! platform escalateToHighPriority reportAnnotations incidentDateTime! "
    "incidentDateTimeDescription",
    "/report/internetDetails": "webPageIncident emailIncident newsgroupIncident chatImIncident onlineGamingIncident cellPhoneIncident "
    "nonInternetIncident peer2peerIncident",
    "/report/internetDetails/webPageIncident": "url* additionalInfo",
    "/report/internetDetails/emailIncident": "emailAddress* content additionalInfo",
    "/report/internetDetails/newsgroupIncident": "name emailAddress* content additionalInfo",
    "/report/internetDetails/chatImIncident": "chatClient chatRoomName content additionalInfo",
    "/report/internetDetails/onlineGamingIncident": "gameName console content additionalInfo",
    "/report/internetDetails/cellPhoneIncident": "phoneNumber latitude longitude additionalInfo",
    "/report/internetDetails/nonInternetIncident": "locationName incidentAddress* additionalInfo",
    "/report/internetDetails/peer2peerIncident": "client ipCaptureEvent* fileNames additionalInfo",
    "/report/lawEnforcement": "agencyName! caseNumber officerContact reportedToLe servedLegalProcessDomestic "
    "servedLegalProcessInternational",
    "/report/reporter": "reportingPerson! contactPerson companyTemplate termsOfService legalURL",
    "/report/reporter/reportingPerson": "firstName lastName phone* email*! address* age dateOfBirth",
    "/report/reporter/contactPerson": "firstName lastName phone* email* address*",
    "/report/personOrUserReported": "personOrUserReportedPerson vehicleDescription espIdentifier espService compromisedAccount screenName "
    "displayName* profileUrl* profileBio ipCaptureEvent* deviceId* thirdPartyUserReported priorCTReports* groupIdentifier "
    "accountTemporarilyDisabled accountPermanentlyDisabled estimatedLocation allEmailsReported associatedAccount* additionalInfo",
    "/report/intendedRecipient": "intendedRecipientPerson espIdentifier espService compromisedAccount screenName displayName* profileUrl* "
    "profileBio ipCaptureEvent* deviceId* priorCTReports* groupIdentifier accountTemporarilyDisabled accountPermanentlyDisabled "
    "estimatedLocation allEmailsReported additionalInfo*",
    "/report/victim": "victimPerson! espIdentifier espService compromisedAccount screenName displayName* profileUrl* profileBio "
    "ipCaptureEvent* deviceId* schoolName priorCTReports* accountTemporarilyDisabled accountPermanentlyDisabled estimatedLocation "
    "allEmailsReported associatedAccount* additionalInfo",
    "/report/victim/victimPerson": "firstName lastName phone* email* address* age dateOfBirth",
    "/report/victim/victimPerson/address": "address city zipCode state nonUsaState country",
    "/report/victim/ipCaptureEvent": "ipAddress! eventName dateTime possibleProxy port",
    "/report/victim/deviceId": "idType! idValue! eventName dateTime",
    "/report/victim/estimatedLocation": "city region countryCode!",
    "/report/victim/associatedAccount": "platform firstName middleName lastName approximateAge dateOfBirth phone* email* allEmailsReported "
    "address* espService espIdentifier profileUrl* screenName displayName* profileBio groupIdentifier compromisedAccount "
    "accountTemporarilyDisabled accountPermanentlyDisabled ipCaptureEvent* deviceId* priorCTReport* additionalInfo",
    "/fileDetails": "reportId! fileId! fileName originalFileName uploadedToEspTimestamp locationOfFile fileViewedByEsp exifViewedByEsp "
    "publiclyAvailable fileRelevance potentialMeme fileAnnotations industryClassification originalFileHash* ipCaptureEvent deviceId* "
    "details* additionalInfo*",
    "/fileDetails/details": "nameValuePair*!",
    "/fileDetails/details/nameValuePair": "name! value!",
    "/fileDetails/fileAnnotations": "animeDrawingVirtualHentai potentialMeme viral possibleSelfProduction physicalHarm violenceGore "
    "bestiality liveStreaming infant generativeAi",
}
LENGTHS = {
    "/report/incidentSummary/escalateToHighPriority": 3000,
    "/report/incidentSummary/incidentDateTimeDescription": 3000,
    "/report/additionalInfo": 3000,
    "/report/reporter/termsOfService": 3000,
    "/report/reporter/legalURL": 2083,
    "/fileDetails/locationOfFile": 2083,
    "/report/victim/deviceId/idValue": 2083,
    "/fileDetails/originalFileName": 2056,
    "/report/incidentSummary/platform": 256,
    "/report/victim/screenName": 256,
    "/report/victim/espIdentifier": 255,
    "/report/personOrUserReported/groupIdentifier": 255,
    "/report/internetDetails/chatImIncident/chatClient": 255,
    "/report/victim/espService": 100,
    "/report/victim/victimPerson/firstName": 100,
    "/report/victim/victimPerson/lastName": 100,
    "/fileDetails/details/nameValuePair/name": 64,
}


def test_the_table_has_the_sequences_and_lengths_that_are_documented() -> None:
    table = {path: element for root in (REPORT, FILE_DETAILS) for path, element in elements_below(root)}
    for path, sequence in SEQUENCES.items():
        group = table[path].holds
        assert isinstance(group, Group)
        assert " ".join(_noted(element) for _, element in group.elements()) == sequence, path
    for path, most in LENGTHS.items():
        assert getattr(table[path].holds, "most", None) == most, path
    choices = [part for _, e in table.items() if isinstance(e.holds, Group) for part in e.holds.parts if isinstance(part, Choice)]
    assert {(one.required, one.of[0].name) for one in choices} == {(True, "webPageIncident"), (False, "potentialMeme")}


def _noted(element: Element) -> str:
    return element.name + "*" * element.many + "!" * element.required


@ROOTS
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_written_passes_and_comes_back(root: Element, seed: int) -> None:
    document = valid(root, seed)
    xml = write(document)
    assert check(xml, NOW) == ()
    assert read(xml) == document
    assert write(read(xml)) == xml


@ROOTS
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), shuffle=st.randoms(use_true_random=False))
def test_elements_are_written_in_the_authoritys_order_however_they_come(root: Element, seed: int, shuffle: object) -> None:
    document = valid(root, seed)
    children = list(document.children)
    names = list(dict.fromkeys(child.name for child in children))
    shuffle.shuffle(names)  # type: ignore[attr-defined]
    mixed = replace(document, children=tuple(child for name in names for child in children if child.name == name))
    assert write(mixed) == write(document)


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.long)])
@ROOTS
def test_each_rule_broken_alone_gives_exactly_its_fault(root: Element, every: int) -> None:
    """`every` 1: at every place; otherwise the first of each kind of rule and each so many-th of all."""
    codes: set[str] = set()
    number = 0
    for pick in range(8 if root is REPORT else 2):
        document = whole(root, pick)
        assert check_document(document, NOW) == ()
        for place, broken in enumerate(breakages(root, document)):
            if ((place + pick) % every and broken.code in codes) or (pick and root is REPORT and "/internetDetails/" not in broken.path):
                continue
            found = check_document(broken.document, NOW)
            assert [(f.code, f.path) for f in found] == [(broken.code, broken.path)]
            assert found[0].message
            codes.add(broken.code)
            number += 1
    assert number * every > (2400 if root is REPORT else 250), number
    assert codes >= {"missing", "too_many", "order", "unknown_element", "namespace", "text_here", "one_of", "not_in_list", "too_long"}


@ROOTS
def test_the_same_breakages_are_found_in_the_xml_itself(root: Element) -> None:
    """What the tree's check finds, the bytes' check finds: nothing is lost between the two."""
    document = whole(root)
    for count, broken in enumerate(breakages(root, document)):
        if count % 31 or broken.code in ("namespace", "text_here", "not_a_value"):
            continue
        xml = _plain(broken.document).encode()
        assert [(f.code, f.path) for f in check(xml, NOW)] == [(broken.code, broken.path)]


def _plain(node: Node) -> str:
    """XML by the simplest means, in the order that the tree has."""
    text = node.text.replace("&", "&amp;").replace("<", "&lt;")
    attributes = "".join(f' {name}="{value}"' for name, value in node.attributes.items())
    return f"<{node.name}{attributes}>{text}{''.join(_plain(child) for child in node.children)}</{node.name}>"


# -- rules between elements ----------------------------------------------------------------------------------------------------------


def _details(*children: Node) -> Node:
    return Node("fileDetails", children=(Node("reportId", "1"), Node("fileId", "f1"), *children))


def _codes(document: Node) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in check_document(ordered(document), NOW)]


def test_a_supplemental_file_carries_no_classification_nor_meme() -> None:
    supplemental = Node("fileRelevance", SUPPLEMENTAL)
    assert _codes(_details(supplemental)) == []
    assert _codes(_details(Node("fileRelevance", "Reported"), Node("industryClassification", "B1"))) == []
    assert _codes(_details(supplemental, Node("industryClassification", "B1"))) == [("/fileDetails/industryClassification", "supplemental")]
    assert _codes(_details(supplemental, Node("potentialMeme", "false"))) == [("/fileDetails/potentialMeme", "supplemental")]
    meme = Node("fileAnnotations", children=(Node("potentialMeme"),))
    assert _codes(_details(supplemental, meme)) == [("/fileDetails/fileAnnotations/potentialMeme", "supplemental")]
    assert _codes(_details(supplemental, Node("fileAnnotations", children=(Node("generativeAi"),)))) == []


def test_a_hash_is_written_as_its_type_is() -> None:
    def hashed(kind: str, text: str) -> Node:
        return _details(Node("originalFileHash", text, {"hashType": kind}))

    assert _codes(hashed("SHA-256", "a" * 64)) == []
    assert _codes(hashed("PhotoDNA", "12,200,31")) == []
    assert _codes(hashed("md5", "a" * 64)) == [("/fileDetails/originalFileHash", "not_hash")]
    assert _codes(hashed("SHA1", "g" * 40)) == [("/fileDetails/originalFileHash", "not_hash")]


def _report(*children: Node, kind: str = INCIDENT_TYPES[6]) -> Node:
    summary = Node("incidentSummary", children=(Node("incidentType", kind), Node("incidentDateTime", "2026-02-01T10:00:00Z")))
    reporter = Node("reporter", children=(Node("reportingPerson", children=(Node("email", "safety@example.com"),)),))
    return Node("report", children=(summary, reporter, *children))


def test_a_party_of_whom_nothing_is_said_is_told() -> None:
    assert _codes(_report(Node("victim", children=(Node("victimPerson"),)))) == [("/report/victim", "says_nothing")]
    known = Node("victim", children=(Node("victimPerson"), Node("espIdentifier", "u2")))
    assert _codes(_report(known)) == []
    aged = Node("victim", children=(Node("victimPerson", children=(Node("age", "12"),)),))
    assert _codes(_report(aged, Node("victim", children=(Node("victimPerson"),)))) == [("/report/victim[2]", "says_nothing")]
    assert _codes(_report(Node("personOrUserReported"))) == [("/report/personOrUserReported", "says_nothing")]


@pytest.mark.parametrize(
    "text",
    [
        "The model gave a score of 0.93.",
        "Score: 87 %",
        "probability 0.5 that it is so",
        "grooming confidence=.99",
        "It was 0.91 risk.",
        "classifier score 97",
        "La puntuación fue 0,9: puntuación 0.9",
    ],
)
def test_a_score_of_a_machine_is_found_wherever_it_stands(text: str) -> None:
    assert _codes(_report(Node("additionalInfo", text))) == [("/report/additionalInfo", "machine_score")]
    account = Node("personOrUserReported", children=(Node("espIdentifier", "u1"), Node("additionalInfo", text)))
    assert _codes(_report(account)) == [("/report/personOrUserReported/additionalInfo", "machine_score")]
    assert _codes(_report(Node("additionalInfo", "\n".join(f"> {line}" for line in text.split("\n"))))) == []


@pytest.mark.parametrize(
    "text", ["Asked 3 times within 20 minutes.", "He is 41; she is 12.", "50% of the game was over", "Version 0.9 of the app"]
)
def test_ordinary_numbers_are_no_scores(text: str) -> None:
    assert _codes(_report(Node("additionalInfo", text))) == []


def test_a_reporter_without_an_address_is_refused() -> None:
    document = _report()
    bare = replace(document, children=(document.children[0], Node("reporter", children=(Node("reportingPerson"),))))
    assert _codes(bare) == [("/report/reporter/reportingPerson/email", "missing")]


def test_two_captures_of_one_file_are_refused() -> None:
    """What another client sends, and the authority then refuses."""
    capture = Node("ipCaptureEvent", children=(Node("ipAddress", "203.0.113.7"),))
    assert _codes(_details(capture, capture)) == [("/fileDetails/ipCaptureEvent[2]", "too_many")]


def test_ids_come_last_and_stand_first() -> None:
    details = Node("fileDetails", children=(Node("fileName", "a.jpg"), Node("fileId", "old")))
    given = with_ids(details, "4711", "abc")
    assert [(c.name, c.text) for c in given.children] == [("reportId", "4711"), ("fileId", "abc"), ("fileName", "a.jpg")]
    with pytest.raises(Invalid):
        with_ids(_report(), "1", "2")


# -- hostile bytes -------------------------------------------------------------------------------------------------------------------

_LAUGHS = (
    b"<!DOCTYPE r [" + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12)) + b"]><report>&l11;</report>"
)
HOSTILE = {
    "entities that grow": (_LAUGHS, "doctype"),
    "an entity that names a file": (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><report>&x;</report>', "doctype"),
    "an entity that names a host": (b'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><report/>', "doctype"),
    "a DTD elsewhere": (b'<!DOCTYPE report SYSTEM "http://127.0.0.1:9/x.dtd"><report/>', "doctype"),
    "an entity of nowhere": (b"<report>&unknown;</report>", "malformed"),
    "deep": (b"<report>" * 200_000, "too_deep"),
    "wide": (b"<report>" + b"<a/>" * 60_000 + b"</report>", "too_many_elements"),
    "many attributes": (b"<report " + b" ".join(b'a%d="1"' % n for n in range(5000)) + b"/>", "too_many_attributes"),
    "large": (b"<report>" + b"x" * MAX_BYTES + b"</report>", "too_large"),
    "empty": (b"", "malformed"),
    "no XML": (b"%PDF-1.7 \x0a", "malformed"),
    "NUL": (b"<report>\x00</report>", "malformed"),
    "not UTF-8": (b"<report>\xff</report>", "encoding"),
    "UTF-16": ("<report/>".encode("utf-16"), "encoding"),
    "declared as another": (b'<?xml version="1.0" encoding="ISO-8859-1"?><report/>', "encoding"),
    "declared as nonsense": (b'<?xml version="1.0" encoding="klingon"?><report/>', "encoding"),
    "UTF-7": (b'<?xml version="1.0" encoding="UTF-7"?><report/>', "encoding"),
    "two roots": (b"<report/><report/>", "malformed"),
    "cut off": (b"<report><incidentSummary>", "malformed"),
    "a prefix of nowhere": (b"<x:report/>", "malformed"),
    "a namespace": (b'<report xmlns="urn:x"/>', "namespace"),
    "another root": (b"<html/>", "unknown_root"),
    "an attribute twice": (b'<report a="1" a="2"/>', "malformed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_one_fault_and_nothing_is_fetched_or_grown(name: str) -> None:
    xml, code = HOSTILE[name]
    faults = check(xml, NOW)
    assert [fault.code for fault in faults] == [code]
    assert faults[0].path == "/"
    assert len(faults[0].message) < 300
    with pytest.raises(Invalid):
        read(xml)


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300) | st.text(max_size=200).map(str.encode), seed=st.integers(0, 50))
def test_no_bytes_make_the_check_fall_over(data: bytes, seed: int) -> None:
    check(data, NOW)
    xml = write(whole(FILE_DETAILS))
    cut = seed * len(xml) // 50
    check(xml[:cut] + data + xml[cut:], NOW)


def test_comments_cdata_and_layout_change_nothing() -> None:
    document = _report(Node("additionalInfo", "a < b & c"))
    xml = write(document).decode()
    changed = xml.replace("a &lt; b &amp; c", "<!-- one -->a <![CDATA[< b &]]> c<?target data?>").replace(
        "<reporter>", "<!-- -->\r\n\t<reporter>"
    )
    assert read(changed.encode()) == read(write(document))
    assert check(b"\xef\xbb\xbf" + changed.encode(), NOW) == ()


def test_hints_about_a_schema_are_read_over() -> None:
    xml = write(_report()).replace(
        b"<report>",
        b'<report xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="https://report.example/xsd">',
    )
    assert check(xml, NOW) == ()
    nil = write(_report(Node("additionalInfo", "x"))).replace(
        b"<additionalInfo>", b'<additionalInfo xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true">'
    )
    assert [fault.code for fault in check(nil, NOW)] == ["unknown_attribute"]


def test_a_flood_of_faults_is_cut() -> None:
    faults = check_document(_report(*(Node("victim") for _ in range(3000))), NOW)
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1].code == "more"


def test_a_long_list_that_is_right_is_no_fault() -> None:
    urls = Node("internetDetails", children=(Node("webPageIncident", children=tuple(Node("url", f"u{n}.example") for n in range(15_000))),))
    assert check(write(_report(urls)), NOW) == ()


def test_faults_quote_nothing_that_the_report_says() -> None:
    secret = "dorrow-zantle"
    for broken in breakages(FILE_DETAILS, whole(FILE_DETAILS)):
        if not broken.document.text:
            marked = replace(
                broken.document,
                children=tuple(replace(c, text=secret) if c.name == "fileViewedByEsp" else c for c in broken.document.children),
            )
            assert not any(secret in str(fault) for fault in check_document(marked, NOW))


def test_the_writer_refuses_what_it_cannot_place_or_carry() -> None:
    for document, field in (
        (Node("html"), "/html"),
        (_report(Node("nonsense")), "/report/nonsense"),
        (_report(Node("additionalInfo", "x", {"lang": "en"})), "/report/additionalInfo/@lang"),
        (_report(Node("additionalInfo", "\x00")), "/report/additionalInfo"),
        (_report(Node("additionalInfo", "\ud800")), "/report/additionalInfo"),
        (_report(Node("additionalInfo", children=(Node("b"),))), "/report/additionalInfo"),
        (replace(_report(), text="loose"), "/report"),
    ):
        with pytest.raises(Invalid) as told:
            write(document)
        assert told.value.field == field
    with pytest.raises(TooLarge):
        write(_report(Node("additionalInfo", "x" * MAX_BYTES)))
