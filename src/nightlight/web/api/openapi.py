"""The published description, made from the routes and the types themselves, so that it cannot drift from the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from nightlight.core.event import Id
from nightlight.core.fingerprint import FOREIGN_KIND, LEAST_DIGITS, MOST_DIGITS, FingerprintKind, Variant
from nightlight.web.api.wire import SENT_EVENT, EventAnswer, MediaJob, Replayed
from nightlight.web.config import WebConfig
from nightlight.web.guards import SCOPES
from nightlight.web.problems import MEDIA_TYPE, Problem
from nightlight.web.route import DOC, Binaries, Binary, Doc

REF = "#/components/schemas/{name}"
Json = dict[str, Any]

DESCRIPTION = """\
Send what happens on your service; get back what to do for each party, in neutral codes that say nothing about suspicion.

Every endpoint under `/v1` needs the header `Authorization: Bearer <API key>`; keys are made by `nightlight keys create`.
Errors are RFC 9457 problems. Limits: {body} bytes a body, {batch_body} bytes and {batch} events a batch, {media} bytes a file
({video} a video)."""

STATUS = {
    200: "Done",
    201: "Made",
    202: "Accepted: a job does the rest",
    204: "Done; no body",
    303: "Elsewhere, as the header location says",
    400: "The request is not valid",
    401: "No API key, or one that is unknown or revoked",
    403: "The key does not have the scope",
    404: "There is no such thing",
    408: "The body took too long to arrive",
    409: "It conflicts with what is there",
    413: "A documented size limit is passed",
    415: "The media type is not supported",
    429: "The caller's rate is used up; see Retry-After",
    503: "Not now; nothing was lost, see Retry-After",
}


def documented(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler, Doc]]:
    """Every described endpoint: method, path with its parameters in braces, handler, description."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            doc = handler.opt.get(DOC)
            if isinstance(doc, Doc):
                for method in sorted(handler.http_methods):
                    yield str(method), route.path_format + doc.suffix, handler, doc


def document(app: Litestar, config: WebConfig) -> Json:
    """The OpenAPI 3.1 document of the app."""
    endpoints = sorted(documented(app), key=lambda found: (found[1], found[0]))
    schemas = Schemas([kind for _, _, _, doc in endpoints for kind in types_of(doc)])
    schemas.components["EventBatch"]["properties"]["events"]["maxItems"] = config.max_batch
    paths: dict[str, Json] = {}
    for method, path, handler, doc in endpoints:
        paths.setdefault(path, {})[method.lower()] = operation(path, handler, doc, schemas)
    used = {int(status) for item in paths.values() for op in item.values() for status, r in op["responses"].items() if "$ref" in r}
    try:
        release = version("nightlight")
    except PackageNotFoundError:  # run from a source tree that was never installed
        release = "0"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nightlight",
            "version": release,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": DESCRIPTION.format(
                body=config.max_body,
                batch_body=config.max_batch_body,
                batch=config.max_batch,
                media=config.max_media,
                video=config.max_video,
            ),
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {f"Problem{status}": problem_response(status, schemas) for status in sorted(used)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `nl_...`"}},
        },
    }


def types_of(doc: Doc) -> Iterator[Any]:
    found = [doc.body, *doc.parts.values(), *doc.or_parts.values(), *doc.answers.values(), *(kind for kind, _ in doc.query.values())]
    each = [one for kind in found for one in (kind if isinstance(kind, tuple) else (kind,))]
    return (kind for kind in each if kind not in (None, str, Binary) and not isinstance(kind, Binaries))


def operation(path: str, handler: HTTPRouteHandler, doc: Doc, schemas: Schemas) -> Json:
    scopes = sorted(handler.opt.get(SCOPES, ()))
    said: Json = {"summary": doc.summary, "tags": [doc.tag], "operationId": handler.handler_name}
    description = [doc.description] if doc.description else []
    if scopes:
        description.append(f"Needs a key with the scope {' or '.join(f'`{scope}`' for scope in scopes)}.")
        said |= {"security": [{"key": []}], "x-nightlight-scopes": scopes}
    if description:
        said["description"] = " ".join(description)
    parameters = [path_parameter(part[1:-1], path) for part in path.removesuffix(doc.suffix).split("/") if part.startswith("{")]
    parameters += [
        {"name": name, "in": "query", "required": False, "description": why, "schema": schemas.of(kind)}
        for name, (kind, why) in doc.query.items()
    ]
    if parameters:
        said["parameters"] = parameters
    content: Json = {}
    if doc.body is not None:
        content["application/json"] = {"schema": schemas.of(doc.body)}
    if doc.parts:
        content["multipart/form-data"] = multipart(doc, doc.parts, schemas)
        if doc.or_parts:
            other = multipart(doc, doc.or_parts, schemas)
            both = content["multipart/form-data"]
            both["schema"] = {"anyOf": [both["schema"], other["schema"]]}
            both["encoding"] |= other["encoding"]
    if content:
        said["requestBody"] = {"required": True, "content": content}
    responses: dict[str, Json] = {}
    for status, kind in doc.answers.items():
        responses[str(status)] = {"description": STATUS[status]}
        if kind is not None:
            schema = {"type": "string"} if kind is str else schemas.of(kind)
            responses[str(status)]["content"] = {doc.media_type: {"schema": schema}}
    problems = {*doc.problems, 429, *((401, 403) if scopes else ()), *((400, 408, 413, 415) if content else ())}
    responses |= {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in problems if str(status) not in responses}
    said["responses"] = dict(sorted(responses.items()))
    return said


def path_parameter(name: str, path: str) -> Json:
    # A last id is read whole, slashes included; one in the middle ends at the next slash.
    pattern = r"^[^\u0000]+$" if name in ("event_id", "job_id") else r"^[^/\u0000]+$"
    schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def multipart(doc: Doc, parts: Mapping[str, Any], schemas: Schemas) -> Json:
    """A file part is required and not empty."""
    file = {"type": "string", "format": "binary", "minLength": 1}

    def of(kind: Any) -> Json:
        if isinstance(kind, Binaries):
            return {"type": "array", "items": file, "minItems": 1, "maxItems": kind.most}
        return file if kind is Binary else schemas.of(kind)

    properties = {name: of(kind) for name, kind in parts.items()}
    encoding = {
        name: {"contentType": "application/octet-stream" if kind is Binary or isinstance(kind, Binaries) else "application/json"}
        for name, kind in parts.items()
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in parts if name not in doc.optional],
        "additionalProperties": False,
    }
    return {"schema": schema, "encoding": encoding}


def problem_response(status: int, schemas: Schemas) -> Json:
    said: Json = {"description": STATUS[status], "content": {MEDIA_TYPE: {"schema": schemas.of(Problem)}}}
    if status in (429, 503):
        said["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return said


class Schemas:
    """JSON Schemas of the types, as references into `components`."""

    def __init__(self, kinds: list[Any]) -> None:
        wanted = [SENT_EVENT, Id, Problem, Replayed, EventAnswer, MediaJob, *kinds]
        made, components = msgspec.json.schema_components(wanted, ref_template=REF)
        event = made[0]
        self.components: Json = {name: self._shorten(schema, event) for name, schema in sorted(components.items())}
        self.components["Event"] = event
        self.components["Fingerprint"] = fingerprint_schema()
        # An enumeration could not name the foreign kinds.
        self.components["FingerprintKind"] = {"title": "FingerprintKind", "type": "string", "pattern": KIND_PATTERN}
        if "FingerprintQuery" in self.components:
            self.components["FingerprintQuery"]["oneOf"] = [{"required": ["fingerprints"]}, {"required": ["queries"]}]
        refine_events(self.components)
        self._made = [(kind, self._shorten(schema, event)) for kind, schema in zip(wanted, made, strict=True)]

    def of(self, kind: Any) -> Json:
        if isinstance(kind, tuple):
            return {"anyOf": [self.of(one) for one in kind]}
        return next(schema for known, schema in self._made if known == kind)

    def _shorten(self, schema: Any, event: Json) -> Any:
        """The union of all events, wherever it is spelt out, as a reference to the component `Event`."""
        if schema == event:
            return {"$ref": REF.format(name="Event")}
        if isinstance(schema, dict):
            return {key: self._shorten(value, event) for key, value in schema.items()}
        if isinstance(schema, list):
            return [self._shorten(value, event) for value in schema]
        return schema


def fingerprint_schema() -> Json:
    """Each kind with its own length, foreign ones with the bounds of all. What msgspec cannot say, the service checks all the same."""
    quality = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, {"type": "null"}], "default": None}

    def one(kind: FingerprintKind) -> Json:
        properties: Json = {
            "kind": {"const": str(kind)},
            "value": {"type": "string", "pattern": f"^[0-9a-f]{{{kind.hex_digits}}}$", "description": "lower-case hexadecimal"},
            "quality": quality,
        }
        if not kind.is_exact:
            properties["variant"] = {"enum": [variant.value for variant in Variant], "description": "which view of the picture was hashed"}
            properties["seconds"] = {"type": "number", "minimum": 0, "description": "of a video's frame: when it is shown"}
        return {"type": "object", "properties": properties, "required": ["kind", "value"], "additionalProperties": False}

    foreign = one(FingerprintKind.PDQ)
    foreign["properties"] |= {
        "kind": {"type": "string", "pattern": f"^{FOREIGN_KIND}$", "description": "of a plug-in"},
        "value": {"type": "string", "pattern": f"^[0-9a-f]{{{LEAST_DIGITS},{MOST_DIGITS}}}$", "description": "lower-case hexadecimal"},
    }
    return {"title": "Fingerprint", "oneOf": [*(one(kind) for kind in FingerprintKind), foreign]}


KIND_PATTERN = f"^({'|'.join(FingerprintKind)}|{FOREIGN_KIND})$"

NEED_CHANNEL = ("Message", "Transcript")


def refine_events(components: Json) -> None:
    """What ingest checks beyond the types, as far as JSON Schema can say it."""
    for name in NEED_CHANNEL:
        components[name]["properties"]["channel"] = {"$ref": REF.format(name="Channel")}
        components[name]["required"].append("channel")
