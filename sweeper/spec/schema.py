"""The JSON schema of a spec, made from the one place where its fields are declared."""

import json
import re
from collections import Counter
from typing import Any

from sweeper.spec.model import SweepSpec


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec; editors complete and check with it."""
    schema = SweepSpec.model_json_schema()
    # Pydantic names and titles generic types after all their constraints; number them instead.
    text = re.sub(r'"title": "[^"]*Annotated[^"]*", ', "", json.dumps(schema, sort_keys=True))
    counts: Counter[str] = Counter()
    for name in sorted(schema["$defs"]):
        stem, _, constraints = name.partition("_Annotated")
        if constraints:
            counts[stem] += 1
            text = text.replace(f'/{name}"', f'/{stem}{counts[stem]}"')
            text = text.replace(f'"{name}":', f'"{stem}{counts[stem]}":')
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json.loads(text)}
