"""The JSON schema of a spec, made from the one place where its fields are declared."""

import json
from typing import Any

from sweeper.spec.model import SweepSpec


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec; editors complete and check with it."""
    schema = SweepSpec.model_json_schema()
    # pydantic names the axis types after all their constraints; number them instead
    text = json.dumps(schema)
    counts: dict[str, int] = {}
    for name in sorted(schema["$defs"]):
        stem, _, constraints = name.partition("_Annotated")
        if constraints:
            counts[stem] = counts.get(stem, 0) + 1
            text = text.replace(json.dumps(name), json.dumps(f"{stem}{counts[stem]}"))
            text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{stem}{counts[stem]}"')
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json.loads(text)}
