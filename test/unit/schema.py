#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schema.py SCHEMA < JSON: is it what the schema says? The part of JSON Schema
that docs/schema needs; a word that is not known here is refused, not ignored."""
import json
import re
import sys

TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool,
    "null": type(None), "integer": int,
}
SILENT = {"$schema", "$defs", "title", "description"}


def is_type(value, name):
    if name == "integer" and isinstance(value, bool):
        return False
    return isinstance(value, TYPES[name])


def check_object(rule, value, at, root):
    for name in rule.get("required", []):
        if name not in value:
            yield f"{at}: '{name}' is missing"
    known = rule.get("properties", {})
    for name, one in value.items():
        if name in known:
            yield from check(known[name], one, f"{at}.{name}", root)
        elif rule.get("additionalProperties") is False:
            yield f"{at}: '{name}' is not in the schema"
        elif isinstance(rule.get("additionalProperties"), dict):
            yield from check(rule["additionalProperties"], one,
                             f"{at}.{name}", root)


def check(rule, value, at, root):
    unknown = set(rule) - SILENT - {
        "$ref", "type", "enum", "const", "pattern", "items", "required",
        "properties", "additionalProperties", "minimum"}
    if unknown:
        yield f"schema.py does not know {unknown}"
    if "$ref" in rule:
        target = root
        for part in rule["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from check(target, value, at, root)
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        yield f"{at}: {value!r} is no {' or '.join(types)}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: {value!r} is none of {rule['enum']}"
    if "const" in rule and value != rule["const"]:
        yield f"{at}: {value!r} is not {rule['const']!r}"
    if "minimum" in rule and is_type(value, "integer") and value < rule["minimum"]:
        yield f"{at}: {value!r} is less than {rule['minimum']}"
    if "pattern" in rule and isinstance(value, str) and not re.search(
            rule["pattern"], value):
        yield f"{at}: {value!r} does not match {rule['pattern']}"
    if isinstance(value, dict):
        yield from check_object(rule, value, at, root)
    if isinstance(value, list):
        for i, one in enumerate(value):
            yield from check(rule.get("items", {}), one, f"{at}[{i}]", root)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    wrong = list(check(schema, json.load(sys.stdin), "$", schema))
    for text in wrong:
        print(f"# {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
