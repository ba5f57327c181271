# SPDX-License-Identifier: Apache-2.0
"""What docs/api.yaml says of a request and its response, and whether these are so."""
import os
import re

import yaml

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

# JSON Schema's words that say nothing to be checked.
ANNOTATIONS = {"description", "title", "default", "example", "examples", "deprecated", "format", "readOnly",
               "writeOnly", "$comment", "contentMediaType"}

TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


class Mismatch(Exception):
    """What was said or answered isn't what the document tells."""


class Schema:
    """Checks values against the document's schemas. A word of a schema that isn't known here is an error, too, so that
    nothing is passed over."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def check(self, schema, value, where):
        if schema is True:
            return
        if schema is False:
            raise Mismatch(f"{where}: must not be there")
        schema = self.resolve(schema)
        for word, operand in schema.items():
            if word in ANNOTATIONS or word.startswith("x-"):
                continue
            name = "on_" + word
            if not hasattr(self, name):
                raise Mismatch(f"{where}: this validator doesn't know the word '{word}'")
            getattr(self, name)(operand, value, where, schema)

    def fits(self, schema, value):
        try:
            self.check(schema, value, "")
        except Mismatch:
            return False
        return True

    @staticmethod
    def need(condition, where, value, what):
        if not condition:
            raise Mismatch(f"{where}: {str(value)[:200]!r} {what}")

    def on_type(self, types, value, where, _):
        types = [types] if isinstance(types, str) else types
        self.need(any(TYPES[name](value) for name in types), where, value, f"is not of type {types}")

    def on_enum(self, values, value, where, _):
        self.need(value in values, where, value, f"is none of {values}")

    def on_const(self, expected, value, where, _):
        self.need(value == expected, where, value, f"is not {expected}")

    def on_minimum(self, limit, value, where, _):
        self.need(not TYPES["number"](value) or value >= limit, where, value, f"is below {limit}")

    def on_maximum(self, limit, value, where, _):
        self.need(not TYPES["number"](value) or value <= limit, where, value, f"is above {limit}")

    def on_minLength(self, limit, value, where, _):
        self.need(not isinstance(value, str) or len(value) >= limit, where, value, f"is shorter than {limit}")

    def on_maxLength(self, limit, value, where, _):
        self.need(not isinstance(value, str) or len(value) <= limit, where, value, f"is longer than {limit}")

    def on_pattern(self, pattern, value, where, _):
        self.need(not isinstance(value, str) or re.search(pattern, value), where, value, f"doesn't match {pattern}")

    def on_minItems(self, limit, value, where, _):
        self.need(not isinstance(value, list) or len(value) >= limit, where, value, f"has fewer items than {limit}")

    def on_maxItems(self, limit, value, where, _):
        self.need(not isinstance(value, list) or len(value) <= limit, where, value, f"has more items than {limit}")

    def on_uniqueItems(self, wanted, value, where, _):
        if wanted and isinstance(value, list):
            self.need(all(item not in value[:i] for i, item in enumerate(value)), where, value, "has an item twice")

    def on_minProperties(self, limit, value, where, _):
        self.need(not isinstance(value, dict) or len(value) >= limit, where, value, f"has fewer members than {limit}")

    def on_maxProperties(self, limit, value, where, _):
        self.need(not isinstance(value, dict) or len(value) <= limit, where, value, f"has more members than {limit}")

    def on_required(self, names, value, where, _):
        if isinstance(value, dict):
            for name in names:
                self.need(name in value, where, value, f"lacks '{name}'")

    def on_properties(self, properties, value, where, _):
        if isinstance(value, dict):
            for name, schema in properties.items():
                if name in value:
                    self.check(schema, value[name], f"{where}.{name}")

    def on_additionalProperties(self, schema, value, where, parent):
        if isinstance(value, dict):
            for name, member in value.items():
                if name not in parent.get("properties", {}):
                    self.check(schema, member, f"{where}.{name}")

    def on_items(self, schema, value, where, _):
        if isinstance(value, list):
            for i, item in enumerate(value):
                self.check(schema, item, f"{where}[{i}]")

    def on_allOf(self, schemas, value, where, _):
        for schema in schemas:
            self.check(schema, value, where)

    def on_anyOf(self, schemas, value, where, _):
        self.need(any(self.fits(schema, value) for schema in schemas), where, value, "is none of what it may be")

    def on_oneOf(self, schemas, value, where, _):
        fitting = sum(self.fits(schema, value) for schema in schemas)
        self.need(fitting == 1, where, value, f"is {fitting} of the things of which it must be one")


class ApiDocument:
    def __init__(self, path=os.path.join(TOP, "docs", "api.yaml")):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.schema = Schema(self.document)

    def operation(self, method, path):
        """Return the operation that this request is, or None if the document has no such resource or method."""
        parts = path.split("?")[0].split("/")
        for pattern, operations in self.document["paths"].items():
            names = pattern.split("/")
            if len(names) == len(parts) and all(
                    name == part or (name.startswith("{") and part) for name, part in zip(names, parts)):
                return operations.get(method.lower())
        return None

    def content(self, described, kind, where):
        """Return the schema for a body of this media type."""
        contents = described.get("content", {})
        for name, content in contents.items():
            if name == kind.split(";")[0].strip():
                return content.get("schema", True)
        raise Mismatch(f"{where}: the document has {list(contents) or 'no body'}, not {kind}")

    def check(self, method, path, sent, status, headers, body):
        """Raise Mismatch unless the document has it so. sent: the request's JSON, or None; headers: the response's,
        with get(); body: its text, or parsed JSON."""
        where = f"{method} {path}: {status}"
        operation = self.operation(method, path)
        if operation is None:
            # Nothing is there: that is told like any other fault.
            operation = {"responses": {"400": {"$ref": "#/components/responses/Fault"}}}
        described = operation["responses"].get(str(status))
        if status == 503 or (status >= 400 and isinstance(body, dict) and "error" in body):
            # Refused before it was known what is asked for.
            described = {"$ref": "#/components/responses/Broken"}
        if described is None:
            raise Mismatch(f"{where}: the document has only {list(operation['responses'])}")
        described = self.schema.resolve(described)
        kind = headers.get("Content-Type")
        if kind is None:
            if body not in (None, b"") or described.get("content"):
                raise Mismatch(f"{where}: without Content-Type: {str(body)[:200]!r}")
        else:
            self.schema.check(self.content(described, kind, where), body, where)
        if status < 300 and sent is not None and "requestBody" in operation:
            wanted = self.schema.resolve(operation["requestBody"])
            schema = wanted.get("content", {}).get("application/json", {}).get("schema", True)
            self.schema.check(schema, sent, f"{method} {path}: the request, which was accepted")
