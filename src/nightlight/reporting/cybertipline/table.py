"""The whole CyberTipline document as one table. Writer, reader and validator follow it; nothing else knows an element's place.

The authority's own schema is not public. This was put together from public clients of November 2025 (Boostport/ncmec-go, which is made
from the schema; Nachtalb/ncmec-cybertip; roostorg/coop; ello/ncmec_reporting). Where the operator's credentials can fetch the schema,
that is the last word. Annotations are written in the order given here, which a strict reader and a lenient one both take.
"""

from __future__ import annotations

from nightlight.reporting.cybertipline.places import COUNTRIES, STATES
from nightlight.reporting.cybertipline.schema import Attribute, Choice, Element, Form, Group, Value

INCIDENT_TYPES = (
    "Child Pornography (possession, manufacture, and distribution)",
    "Child Sex Trafficking",
    "Child Sex Tourism",
    "Child Sexual Molestation",
    "Misleading Domain Name",
    "Misleading Words or Digital Images on the Internet",
    "Online Enticement of Children for Sexual Acts",
    "Unsolicited Obscene Material Sent to a Child",
)
REPORT_ANNOTATIONS = ("sextortion", "csamSolicitation", "minorToMinorInteraction", "spam", "sadisticOnlineExploitation", "informational")
FILE_ANNOTATIONS = (
    "animeDrawingVirtualHentai",
    "potentialMeme",
    "viral",
    "possibleSelfProduction",
    "physicalHarm",
    "violenceGore",
    "bestiality",
    "liveStreaming",
    "infant",
    "generativeAi",
)
REPORTED, SUPPLEMENTAL = "Reported", "Supplemental Reported"
CAPTURE_EVENTS = ("Login", "Registration", "Purchase", "Upload", "Other", "Unknown")
EMAIL_TYPES = ("Home", "Work", "Business", "Recovery")
PHONE_TYPES = ("Mobile", "Home", "Business", "Work", "Fax", "Internet", "Recovery")
ADDRESS_TYPES = ("Home", "Business", "Billing", "Shipping", "Technical")
ACCOUNT_TYPES = ("Billing", "Linked", "Business", "Creator", "Parent/Guardian", "Other")
CLASSIFICATIONS = ("A1", "A2", "B1", "B2")
LONG = 3000
"""Characters of the long free texts."""


def _text(most: int | None = None) -> Value:
    return Value(most=most)


def _one_of(*choices: str) -> Value:
    return Value(form=Form.CHOICE, choices=choices)


def _pattern(pattern: str, like: str) -> Value:
    return Value(form=Form.PATTERN, pattern=pattern, like=like)


def _el(name: str, holds: Value | Group, *attributes: Attribute, required: bool = False, many: bool = False) -> Element:
    return Element(name=name, holds=holds, required=required, many=many, attributes=attributes)


def _flags(*names: str) -> Group:
    return Group(tuple(_el(name, EMPTY) for name in names))


EMPTY = Value(form=Form.EMPTY)
BOOLEAN = Value(form=Form.BOOLEAN)
PAST = Value(form=Form.MOMENT, past=True)
MOMENT = Value(form=Form.MOMENT)
BORN = Value(form=Form.DAY, past=True)
COUNTRY = Value(form=Form.CHOICE, choices=COUNTRIES, choices_are="a country by its two letters, such as US")
STATE = Value(form=Form.CHOICE, choices=STATES, choices_are="a state of the United States by its two letters, such as CA")
AGE = Value(form=Form.WHOLE, least=0, greatest=150)
REPORT_ID = Value(form=Form.WHOLE, least=1, greatest=2**63 - 1)

_VERIFIED = (Attribute(name="verified", value=BOOLEAN), Attribute(name="verificationDate", value=PAST))


def _email(name: str = "email", *, required: bool = False, many: bool = True) -> Element:
    kind = Attribute(name="type", value=_one_of(*EMAIL_TYPES))
    return _el(name, Value(form=Form.EMAIL), kind, *_VERIFIED, required=required, many=many)


def _phone(name: str = "phone", *, many: bool = True) -> Element:
    attributes = (
        Attribute(name="type", value=_one_of(*PHONE_TYPES)),
        *_VERIFIED,
        Attribute(name="countryCallingCode", value=_pattern(r"\+[0-9]{1,3}", "a plus and one to three digits, such as +1")),
        Attribute(name="extension", value=_pattern(r"[0-9]+", "digits only")),
    )
    return _el(name, _text(), *attributes, many=many)


_ADDRESS = Group(
    (
        _el("address", _text()),
        _el("city", _text()),
        _el("zipCode", _text()),
        _el("state", STATE),
        _el("nonUsaState", _text()),
        _el("country", COUNTRY),
    )
)


def _address(name: str = "address") -> Element:
    return _el(name, _ADDRESS, Attribute(name="type", value=_one_of(*ADDRESS_TYPES)), many=True)


_PERSON_NAME = _text(100)


def _person(*, email_required: bool = False, contact: bool = False) -> Group:
    """`contact`: without age and date of birth."""
    ages = () if contact else (_el("age", AGE), _el("dateOfBirth", BORN))
    return Group(
        (
            _el("firstName", _PERSON_NAME),
            _el("lastName", _PERSON_NAME),
            _phone(),
            _email(required=email_required),
            _address(),
            *ages,
        )
    )


def _captured() -> tuple[Element, Element]:
    return _el("eventName", _one_of(*CAPTURE_EVENTS)), _el("dateTime", PAST)


def _ip(*, many: bool = True) -> Element:
    parts = (
        _el("ipAddress", Value(form=Form.IP), required=True),
        *_captured(),
        _el("possibleProxy", BOOLEAN),
        _el("port", Value(form=Form.WHOLE, least=0, greatest=65535)),
    )
    return _el("ipCaptureEvent", Group(parts), many=many)


_DEVICE = _el(
    "deviceId",
    Group((_el("idType", _text(), required=True), _el("idValue", _text(2083), required=True), *_captured())),
    many=True,
)


def _disabled() -> tuple[Element, Element]:
    attributes = (
        Attribute(name="disabledDate", value=PAST),
        Attribute(name="userNotified", value=BOOLEAN),
        Attribute(name="userNotifiedDate", value=PAST),
    )
    again = Attribute(name="reenabledDate", value=MOMENT)
    return (
        _el("accountTemporarilyDisabled", BOOLEAN, *attributes, again),
        _el("accountPermanentlyDisabled", BOOLEAN, *attributes),
    )


_LOCATION = _el(
    "estimatedLocation",
    Group((_el("city", _text()), _el("region", _text()), _el("countryCode", COUNTRY, required=True))),
    Attribute(name="verified", value=BOOLEAN),
    Attribute(name="timestamp", value=PAST),
)
_IDENTIFIER = _el("espIdentifier", _text(255))
_SERVICE = _el("espService", _text(100))
_COMPROMISED = _el("compromisedAccount", BOOLEAN)
_NAMES = (_el("screenName", _text(256)), _el("displayName", _text(), many=True))
_URLS = _el("profileUrl", _text(), many=True)
_BIO = _el("profileBio", _text())
_GROUP = _el("groupIdentifier", _text(255))
_ALL_EMAILS = _el("allEmailsReported", BOOLEAN)
_PRIOR = _el("priorCTReports", REPORT_ID, many=True)
_INFO = _el("additionalInfo", _text())

_ASSOCIATED = _el(
    "associatedAccount",
    Group(
        (
            _el("platform", _text(256), Attribute(name="thirdPartyUser", value=BOOLEAN)),
            _el("firstName", _PERSON_NAME),
            _el("middleName", _PERSON_NAME),
            _el("lastName", _PERSON_NAME),
            _el("approximateAge", AGE),
            _el("dateOfBirth", BORN),
            _phone(),
            _email(),
            _ALL_EMAILS,
            _address(),
            _SERVICE,
            _IDENTIFIER,
            _URLS,
            *_NAMES,
            _BIO,
            _GROUP,
            _COMPROMISED,
            *_disabled(),
            _ip(),
            _DEVICE,
            _el("priorCTReport", REPORT_ID, many=True),
            _INFO,
        )
    ),
    Attribute(name="type", value=_one_of(*ACCOUNT_TYPES), required=True),
    many=True,
)

_PROFILE = (_IDENTIFIER, _SERVICE, _COMPROMISED, *_NAMES, _URLS, _BIO, _ip(), _DEVICE)
"""What each of the three kinds of party has in the same place."""

REPORTED_PERSON = _el(
    "personOrUserReported",
    Group(
        (
            _el("personOrUserReportedPerson", _person()),
            _el("vehicleDescription", _text()),
            *_PROFILE,
            _el("thirdPartyUserReported", BOOLEAN),
            _PRIOR,
            _GROUP,
            *_disabled(),
            _LOCATION,
            _ALL_EMAILS,
            _ASSOCIATED,
            _INFO,
        )
    ),
    many=True,
)
RECIPIENT = _el(
    "intendedRecipient",
    Group(
        (
            _el("intendedRecipientPerson", _person()),
            *_PROFILE,
            _PRIOR,
            _GROUP,
            *_disabled(),
            _LOCATION,
            _ALL_EMAILS,
            _el("additionalInfo", _text(), many=True),
        )
    ),
    many=True,
)
VICTIM = _el(
    "victim",
    Group(
        (
            _el("victimPerson", _person(), required=True),
            *_PROFILE,
            _el("schoolName", _text()),
            _PRIOR,
            *_disabled(),
            _LOCATION,
            _ALL_EMAILS,
            _ASSOCIATED,
            _INFO,
        )
    ),
    many=True,
)

_INCIDENT_EMAIL = _email("emailAddress")
_CONTENT = _el("content", _text())
INTERNET = _el(
    "internetDetails",
    Group(
        (
            Choice(
                required=True,
                of=(
                    _el(
                        "webPageIncident",
                        Group((_el("url", _text(), many=True), _INFO)),
                        Attribute(name="thirdPartyHostedContent", value=BOOLEAN),
                    ),
                    _el("emailIncident", Group((_INCIDENT_EMAIL, _CONTENT, _INFO))),
                    _el("newsgroupIncident", Group((_el("name", _text()), _INCIDENT_EMAIL, _CONTENT, _INFO))),
                    _el("chatImIncident", Group((_el("chatClient", _text(255)), _el("chatRoomName", _text()), _CONTENT, _INFO))),
                    _el("onlineGamingIncident", Group((_el("gameName", _text()), _el("console", _text()), _CONTENT, _INFO))),
                    _el(
                        "cellPhoneIncident",
                        Group(
                            (
                                _phone("phoneNumber", many=False),
                                _el("latitude", Value(form=Form.DECIMAL, least=-90, greatest=90)),
                                _el("longitude", Value(form=Form.DECIMAL, least=-180, greatest=180)),
                                _INFO,
                            )
                        ),
                    ),
                    _el("nonInternetIncident", Group((_el("locationName", _text()), _address("incidentAddress"), _INFO))),
                    _el("peer2peerIncident", Group((_el("client", _text()), _ip(), _el("fileNames", _text()), _INFO))),
                ),
            ),
        )
    ),
    many=True,
)

REPORT = _el(
    "report",
    Group(
        (
            _el("batchedReport", EMPTY, Attribute(name="reason", value=_one_of("VIRAL_POTENTIAL_MEME"), required=True)),
            _el(
                "incidentSummary",
                Group(
                    (
                        _el("incidentType", _one_of(*INCIDENT_TYPES), required=True),
                        _el("platform", _text(256)),
                        _el("escalateToHighPriority", _text(LONG)),
                        _el("reportAnnotations", _flags(*REPORT_ANNOTATIONS)),
                        _el("incidentDateTime", PAST, required=True),
                        _el("incidentDateTimeDescription", _text(LONG)),
                    )
                ),
                required=True,
            ),
            INTERNET,
            _el(
                "lawEnforcement",
                Group(
                    (
                        _el("agencyName", _text(), required=True),
                        _el("caseNumber", _text()),
                        _el("officerContact", _person(contact=True)),
                        _el("reportedToLe", BOOLEAN),
                        _el("servedLegalProcessDomestic", BOOLEAN),
                        _el("servedLegalProcessInternational", BOOLEAN, Attribute(name="fleaCountry", value=COUNTRY)),
                    )
                ),
            ),
            _el(
                "reporter",
                Group(
                    (
                        _el("reportingPerson", _person(email_required=True), required=True),
                        _el("contactPerson", _person(contact=True)),
                        _el("companyTemplate", _text()),
                        _el("termsOfService", _text(LONG)),
                        _el("legalURL", _text(2083)),
                    )
                ),
                required=True,
            ),
            REPORTED_PERSON,
            RECIPIENT,
            VICTIM,
            _el("additionalInfo", _text(LONG)),
        )
    ),
    required=True,
)

FILE_DETAILS = _el(
    "fileDetails",
    Group(
        (
            _el("reportId", REPORT_ID, required=True),
            _el("fileId", _text(), required=True),
            _el("fileName", _text()),
            _el("originalFileName", _text(2056)),
            _el("uploadedToEspTimestamp", PAST),
            _el("locationOfFile", _text(2083)),
            _el("fileViewedByEsp", BOOLEAN),
            _el("exifViewedByEsp", BOOLEAN),
            _el("publiclyAvailable", BOOLEAN),
            _el("fileRelevance", _one_of(REPORTED, SUPPLEMENTAL)),
            Choice(of=(_el("potentialMeme", BOOLEAN), _el("fileAnnotations", _flags(*FILE_ANNOTATIONS)))),
            _el("industryClassification", _one_of(*CLASSIFICATIONS)),
            _el("originalFileHash", _text(), Attribute(name="hashType", value=_text(64), required=True), many=True),
            _ip(many=False),
            _DEVICE,
            _el(
                "details",
                Group(
                    (
                        _el(
                            "nameValuePair",
                            Group((_el("name", _text(64), required=True), _el("value", _text(), required=True))),
                            required=True,
                            many=True,
                        ),
                    )
                ),
                Attribute(name="type", value=_one_of("EXIF", "HASH"), required=True),
                many=True,
            ),
            _el("additionalInfo", _text(), many=True),
        )
    ),
    required=True,
)

ROOTS = {element.name: element for element in (REPORT, FILE_DETAILS)}
