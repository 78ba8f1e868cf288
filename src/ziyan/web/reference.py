"""``/openapi.json`` → what its page shows; any document of OpenAPI 3.1 that uses what ours uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a body, a query or an answer.

    Attributes:
        name: With dots and ``[]`` for what it lies in.
        takes: Its type, choices or range.
        about: What it means.
        required: Must be there.
        place: ``query``, ``header`` or ``path``; empty inside bodies.
    """

    name: str
    takes: str
    about: str
    required: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """One form of a body or an answer.

    Attributes:
        media_type: Of its content.
        about: What it is, if it has no fields.
        fields: What is in it.
        example: As text; empty where the document has none.
    """

    media_type: str
    about: str
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of an operation."""

    status: str
    about: str
    headers: tuple[Field, ...]
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    about: str
    parameters: tuple[Field, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of a document, in its order."""
    found = []
    for path, item in document["paths"].items():
        for method in (name for name in _METHODS if name in item):
            found.append(_operation(document, path, method, item[method]))
    return found


def _operation(document: dict[str, Any], path: str, method: str, said: dict[str, Any]) -> Operation:
    parameters = (_resolved(document, one) for one in said.get("parameters", ()))
    request = _resolved(document, said.get("requestBody", {}))
    return Operation(
        anchor=said.get("operationId", f"{method}{path}").replace("/", "-").lower(),
        method=method.upper(),
        path=path,
        summary=said.get("summary", ""),
        about=said.get("description", ""),
        parameters=tuple(
            Field(
                one["name"],
                _takes(document, one.get("schema", {})),
                one.get("description", "") or _resolved(document, one.get("schema", {})).get("description", ""),
                one.get("required", False),
                one["in"],
            )
            for one in parameters
        ),
        bodies=_bodies(document, request),
        answers=tuple(_answer(document, status, one) for status, one in said["responses"].items()),
    )


def _answer(document: dict[str, Any], status: str, said: dict[str, Any]) -> Answer:
    said = _resolved(document, said)
    headers = {name: _resolved(document, one) for name, one in said.get("headers", {}).items()}
    return Answer(
        status=status,
        about=said.get("description", ""),
        headers=tuple(
            Field(name, _takes(document, one.get("schema", {})), one.get("description", ""), one.get("required", False))
            for name, one in headers.items()
        ),
        bodies=_bodies(document, said),
    )


def _bodies(document: dict[str, Any], said: dict[str, Any]) -> tuple[Body, ...]:
    bodies = []
    for media_type, content in said.get("content", {}).items():
        schema = _resolved(document, content.get("schema", {}))
        fields = tuple(_fields(document, schema, "", _DEPTH))
        if not fields and schema.get("const") == "":
            continue  # an empty body
        about = schema.get("description", "") or ("" if fields else _takes(document, schema))
        bodies.append(Body(media_type, about, fields, _example(document, content, schema)))
    return tuple(bodies)


def _fields(document: dict[str, Any], schema: dict[str, Any], before: str, depth: int) -> list[Field]:
    """Every value inside an object, whatever lies how deep, in the order of the document."""
    schema = _resolved(document, schema)
    if depth == 0:
        return []
    if schema.get("type") == "array" or "items" in schema:
        return _fields(document, schema.get("items", {}), f"{before}[]", depth - 1)
    found = []
    for name, part in schema.get("properties", {}).items():
        part = _resolved(document, part)
        full = f"{before}.{name}" if before else name
        found.append(
            Field(full, _takes(document, part), part.get("description", ""), name in schema.get("required", ()))
        )
        found += _fields(document, part, full, depth - 1)
    return found


def _takes(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    schema = _resolved(document, schema)
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_takes(document, part) for part in schema[several]))
    kind = schema.get("type", "")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if kinds == ["array"]:
        return f"array of {_takes(document, schema.get('items', {})) or 'anything'}"
    ends = [f"{sign} {schema[name]}" for name, sign in (("minimum", "≥"), ("maximum", "≤")) if name in schema]
    default = [f"default {json.dumps(schema['default'], ensure_ascii=False)}"] if "default" in schema else []
    return ", ".join([" | ".join(kinds), *ends, *default]).strip(", ")


def _example(document: dict[str, Any], content: dict[str, Any], schema: dict[str, Any]) -> str:
    given = content.get("example", next(iter(schema.get("examples", ())), None))
    for one in content.get("examples", {}).values():
        given = _resolved(document, one).get("value", given) if given is None else given
    if given is None:
        return ""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, indent=2)


def _resolved(document: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """What a reference points at inside the document."""
    while "$ref" in said:
        place: Any = document
        for key in said["$ref"].removeprefix("#/").split("/"):
            place = place[key]
        said = place
    return said
