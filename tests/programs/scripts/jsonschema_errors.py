"""Documents are validated, with jsonschema."""

import jsonschema
import pyperf

SCHEMA = {
    "type": "object",
    "required": ["name", "items"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "items": {
            "type": "array",
            "minItems": 2,
            "items": {"anyOf": [{"type": "integer", "minimum": 3}, {"$ref": "#/$defs/pair"}]},
        },
    },
    "$defs": {"pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}},
}


def work():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    documents = [{"name": "abc", "items": [n, ["x", n], n - 3]} for n in range(8)] + [
        {"name": "A1", "items": [1], "more": 0}
    ]
    return [sorted(error.message for error in validator.iter_errors(each)) for each in documents]


pyperf.Runner().bench_func("jsonschema_errors", work)
