# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DigitalOcean's OpenAPI specification as a judge of requests and answers, in closed form: an unknown key is an error.

The specification (OpenAPI 3.0) says nothing of unknown keys, so a typo passes it. Here every schema becomes JSON Schema
2020-12 with `unevaluatedProperties: false` at each place where a value stands (body, property, item of an array).

    check_request("POST", "/v2/droplets", {"siize": "s-1vcpu-1gb"})  ->  ["body: 'siize' was unexpected", ...]
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

Schema = dict[str, Any]

_REPOSITORY = Path(__file__).resolve().parents[2]
NOT_FOUND = "the OpenAPI file is neither at ../shared/digitalocean-openapi.json nor at $DO_OPENAPI_SPEC"


def specification_file() -> Path | None:
    """Where the specification is; None when it is not on this machine: it is data for tests, no part of the project."""
    places = [os.environ.get("DO_OPENAPI_SPEC"), _REPOSITORY.parent / "shared" / "digitalocean-openapi.json"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


# Nothing can be compared without the file. CI has it, and a skip says where it was looked for.
needs_specification = pytest.mark.skipif(specification_file() is None, reason=NOT_FOUND)


# -- where the specification and reality disagree --------------------------------------------------------------------


@dataclass(frozen=True)
class Override:
    """`value` takes the place of what stands at `pointer`, is appended to the list there, or is new there."""

    pointer: str
    value: Any
    reason: str
    how: str = "replace"  # replace | append | new


OVERRIDES = (
    Override(
        "/components/schemas/droplet_action/properties/type/enum",
        "change_backup_policy",
        "the specification describes this action, with an example, but its list of types lacks it",
        how="append",
    ),
    Override(
        "/components/schemas/tags_resource/properties/resources/items/properties/resource_type/enum",
        "database",
        "database clusters are tagged by this call too; the list of types was not brought up to date",
        how="append",
    ),
    Override(
        "/components/schemas/database_version_options/properties/default_version",
        {"type": "string"},
        "the specification's own example has it, its schema has not",
        how="new",
    ),
    Override(
        "/components/schemas/database_version_availability/properties/default",
        {"type": "boolean"},
        "the specification's own example has it, its schema has not",
        how="new",
    ),
    Override(
        "/paths/~v2~spaces~keys~{access_key}/get/responses/200/content/application~json/schema",
        {"type": "object", "required": ["key"], "properties": {"key": {"$ref": "#/components/schemas/key"}}},
        "the example, and DigitalOcean's own Go client, read one `key`; the schema says a list of `keys`",
    ),
    Override(
        "/components/schemas/firewall_rule_base/required",
        ["protocol"],
        "ICMP has no ports, and DigitalOcean's Go client leaves them out; see the next one",
    ),
    Override(
        "/components/schemas/firewall_rule_base/anyOf",
        [{"properties": {"protocol": {"enum": ["icmp"]}}}, {"required": ["ports"]}],
        "the other protocols do need ports",
        how="new",
    ),
    Override(
        "/paths/~v2~uptime~checks/post/requestBody/content/application~json/schema/required",
        ["name", "target", "regions", "type", "enabled"],
        "it requires a `method`, which no schema has and no client sends",
    ),
    *(
        Override(
            f"/components/schemas/regional_state/properties/{region}",
            {"$ref": "#/components/schemas/region_state"},
            "the schema has two of the four regions",
            how="new",
        )
        for region in ("us_west", "se_asia")
    ),
    Override(
        "/components/schemas/tags/properties/resources/allOf/1/properties/images",
        {"$ref": "#/components/schemas/tags_metadata"},
        "it is spelled `imgages` there; DigitalOcean's Go client reads `images`",
        how="new",
    ),
    Override(
        "/components/schemas/volume_action_post_base/properties/volume_name",
        {"type": "string"},
        "the call by name says which volume by this key in the specification's own examples, not in its schemas",
        how="new",
    ),
    Override(
        "/components/schemas/region_slug/enum",
        "atl1",
        "Atlanta opened after this list was written; the database options of the same file have it",
        how="append",
    ),
    *(
        Override(
            f"/components/schemas/domain_record_{kind}/allOf/1/required",
            required,
            "flags and tag belong to CAA records; the other types that name them were copied from it",
        )
        for kind, required in {
            "ns": ["type", "name", "data"],
            "txt": ["type", "name", "data"],
            "srv": ["type", "name", "data", "priority", "port", "weight"],
        }.items()
    ),
)


def _overridden(specification: Schema) -> Schema:
    specification = copy.deepcopy(specification)
    for override in OVERRIDES:
        target: Any = specification
        *parents, last = (step.replace("~", "/") for step in override.pointer.strip("/").split("/"))
        for step in parents:
            target = target[int(step)] if isinstance(target, list) else _step(specification, target, step)
        if (last in target) == (override.how == "new"):
            raise KeyError(f"{override.pointer}: the specification changed there, review the override")
        if override.how == "append":
            target[last].append(override.value)
        else:
            target[last] = override.value
    return specification


def _step(specification: Schema, target: Schema, step: str) -> Any:
    """Go one step down, through references."""
    found = target[step]
    while isinstance(found, dict) and "$ref" in found:
        reference, found = found["$ref"], specification
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    return found


# -- OpenAPI 3.0 -> JSON Schema 2020-12 ------------------------------------------------------------------------------

_KEPT = (
    *("type", "enum", "format", "pattern", "required", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "multipleOf"),
)
_COMPOSITIONS = ("allOf", "anyOf", "oneOf")


class _Converter:
    """Schemas of requests and of answers differ: a request has no readOnly key, an answer no writeOnly one."""

    def __init__(self, specification: Schema, hidden: str) -> None:
        self._specification = specification
        self._hidden = hidden  # readOnly | writeOnly
        self._entered: set[str] = set()  # references of the discriminators that are being followed

    def convert(self, schema: Schema, *, is_place: bool) -> Schema:
        """`is_place`: a value stands here, so its keys are closed; False within allOf, anyOf, oneOf."""
        schema = self._resolve(schema)
        result: Schema = {key: schema[key] for key in _KEPT if key in schema}
        if properties := schema.get("properties"):
            shown = {key: value for key, value in properties.items() if not self._is_hidden(value)}
            result["properties"] = {key: self.convert(value, is_place=True) for key, value in shown.items()}
            if "required" in result:
                result["required"] = [key for key in result["required"] if key in shown or key not in properties]
        if "items" in schema:
            result["items"] = self.convert(schema["items"], is_place=True)
        if isinstance(schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self.convert(schema["additionalProperties"], is_place=True)
        if "discriminator" in schema:
            # A base that lists its own variants, each of which contains the base, is followed once.
            if not self._entered & set(schema["discriminator"]["mapping"].values()):
                result |= self._by_discriminator(schema["discriminator"])
        else:
            for key in _COMPOSITIONS:
                if key in schema:
                    result[key] = [self.convert(branch, is_place=False) for branch in schema[key]]
        if is_place and self._names_properties(schema) and not schema.get("additionalProperties"):
            result["unevaluatedProperties"] = False
        return self._with_null(result) if self._is_nullable(schema) else result

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = self._specification
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            schema = target
        return schema

    def _is_hidden(self, schema: Schema) -> bool:
        schema = self._resolve(schema)
        return bool(schema.get(self._hidden)) or any(self._is_hidden(branch) for branch in schema.get("allOf", ()))

    def _is_nullable(self, schema: Schema) -> bool:
        schema = self._resolve(schema)
        return bool(schema.get("nullable")) or any(self._is_nullable(branch) for branch in schema.get("allOf", ()))

    def _names_properties(self, schema: Schema) -> bool:
        """False for a free-form object, which must stay open."""
        schema = self._resolve(schema)
        if "properties" in schema:
            return True
        return any(self._names_properties(branch) for key in _COMPOSITIONS for branch in schema.get(key, ()))

    @staticmethod
    def _with_null(schema: Schema) -> Schema:
        if "type" not in schema:
            return {"anyOf": [schema, {"type": "null"}]}
        enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, **enum, "type": [schema["type"], "null"]}

    def _by_discriminator(self, discriminator: Schema) -> Schema:
        """Choose the branch by the value of a property: else anyOf takes an MX record for a TXT record."""
        name, mapping = discriminator["propertyName"], discriminator["mapping"]
        self._entered |= set(mapping.values())
        choices = [
            {
                "if": {"properties": {name: {"const": value}}, "required": [name]},
                "then": self.convert({"$ref": reference}, is_place=False),
            }
            for value, reference in mapping.items()
        ]
        self._entered -= set(mapping.values())
        return {"properties": {name: {"enum": sorted(mapping)}}, "required": [name], "allOf": choices}


_FORMATS = FormatChecker(("uuid", "ipv4", "ipv6"))


@_FORMATS.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.datetime.fromisoformat(value).tzinfo is not None


# -- checking --------------------------------------------------------------------------------------------------------


class Contract:
    """The specification, ready to judge. Problems are returned as text, an empty list is a pass."""

    def __init__(self, specification: Schema) -> None:
        specification = _overridden(specification)
        self._paths: dict[str, Schema] = specification["paths"]
        self._requests = _Converter(specification, hidden="readOnly")
        self._responses = _Converter(specification, hidden="writeOnly")
        self._validators: dict[tuple[str, ...], Draft202012Validator] = {}
        # Paths without parameters first: /v2/databases/options is not a cluster.
        self._patterns = [
            (re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path)
            for path in sorted(self._paths, key=lambda path: path.count("{"))
        ]

    def check_request(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in the specification"]
        problems = self._check_query(method, path, query or {})
        request = self._requests._resolve(operation.get("requestBody", {}))
        content = request.get("content", {}).get("application/json")
        if content is None:
            # Some clients send an empty object where nothing is asked for.
            return problems + ([] if body in (None, {}) else ["body: none is expected"])
        if body is None:
            return problems + (["body: one is required"] if request.get("required") else [])
        key = ("request", method, path)
        return problems + self._check(key, self._requests, content["schema"], body)

    def check_response(self, method: str, path: str, status: int, body: Any = None) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in the specification"]
        responses = operation["responses"]
        if str(status) not in responses and status < 400:
            return [f"status {status} is not one of {', '.join(responses)}"]
        response = self._responses._resolve(responses.get(str(status), responses["default"]))
        content = response.get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else [f"body: none is expected with status {status}"]
        return self._check(("response", method, path, str(status)), self._responses, content["schema"], body)

    def template(self, path: str) -> str | None:
        """`/v2/droplets/7` -> `/v2/droplets/{droplet_id}`."""
        return next((template for pattern, template in self._patterns if pattern.match(path)), None)

    def operations(self) -> dict[str, str]:
        """`droplets_create` -> `POST /v2/droplets`, for all there are."""
        return {
            operation["operationId"]: f"{method.upper()} {path}"
            for path, methods in self._paths.items()
            for method, operation in methods.items()
            if isinstance(operation, dict) and "operationId" in operation
        }

    def _operation(self, method: str, path: str) -> Schema | None:
        operation: Schema | None = self._paths.get(self.template(path) or "", {}).get(method.lower())
        return operation

    def _check_query(self, method: str, path: str, query: Mapping[str, str]) -> list[str]:
        template = self._paths[self.template(path) or ""]
        declared = [*template.get("parameters", []), *template[method.lower()].get("parameters", [])]
        parameters = [self._requests._resolve(parameter) for parameter in declared]
        known = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
        problems = [f"query: {name} is not known" for name in query if name not in known]
        problems += [
            f"query: {name} is required" for name in known if known[name].get("required") and name not in query
        ]
        for name, value in query.items():
            if name in known:
                schema = self._requests.convert(known[name].get("schema", {}), is_place=True)
                typed: Any = value
                if schema.get("type") == "integer" and value.lstrip("-").isdigit():
                    typed = int(value)
                elif schema.get("type") == "boolean" and value in ("true", "false"):
                    typed = value == "true"
                problems += [
                    f"query {name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(typed)
                ]
        return problems

    def _check(self, key: tuple[str, ...], converter: _Converter, schema: Schema, body: Any) -> list[str]:
        key = (*key[:2], self.template(key[2]) or "", *key[3:])
        if key not in self._validators:
            converted = converter.convert(schema, is_place=True)
            self._validators[key] = Draft202012Validator(converted, format_checker=_FORMATS)
        errors = list(self._validators[key].iter_errors(body))
        return list(dict.fromkeys(text for error in errors for text in _readable(error, alone=len(errors) == 1)))


def _readable(error: ValidationError, *, alone: bool = True) -> Iterator[str]:
    """One line for each cause; of several branches that all fail, the one that fails least."""
    if error.validator in ("anyOf", "oneOf") and error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for cause in error.context:
            branches.setdefault(cause.schema_path[0], []).append(cause)
        for cause in min(branches.values(), key=len):
            yield from _readable(cause)
        return
    where = ".".join(["body", *(str(step) for step in error.absolute_path)])
    if error.validator != "unevaluatedProperties":
        yield f"{where}: {error.message}"
        return
    # A branch that fails for another reason leaves its own keys unevaluated too: those are not to blame.
    unknown = set(re.findall(r"'([^']+)'", error.message))
    if not alone:
        unknown -= set(_declared(error.schema))
    if unknown:
        yield f"{where}: unknown key {', '.join(sorted(unknown))}"


def _declared(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for key in _COMPOSITIONS:
            for branch in schema.get(key, ()):
                yield from _declared(branch)
        yield from _declared(schema.get("then"))


@cache
def contract() -> Contract:
    path = specification_file()
    if path is None:
        raise FileNotFoundError(NOT_FOUND)
    return Contract(json.loads(path.read_text()))


def check_request(method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> list[str]:
    """Problems of a request, as one line each; empty when it conforms."""
    return contract().check_request(method, path, body, query)


def check_response(method: str, path: str, status: int, body: Any = None) -> list[str]:
    """Problems of an answer (`body` None when it had none), as one line each; empty when it conforms."""
    return contract().check_response(method, path, status, body)


def check_exchange(entry: Mapping[str, Any]) -> list[str]:
    """Problems of one entry of localcloud's request log; what a fault answered is not localcloud's word."""
    method, path = entry["method"], entry["path"]
    problems = [f"request: {text}" for text in check_request(method, path, entry["body"], entry["query"])]
    if entry["fault"] is None:
        problems += [f"answer: {text}" for text in check_response(method, path, entry["status"], entry["response"])]
    return [f"{method} {path} {entry['status']}: {text}" for text in problems]
