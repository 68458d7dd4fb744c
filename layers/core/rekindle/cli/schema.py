"""`rekindle schema`: the languages of flows, segments, manners and shops as JSON Schema, so that editors help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from rekindle.cli.events import as_json
from rekindle.content.offers import OfferFile
from rekindle.content.popups import PopupFile
from rekindle.content.sources import PushFile, ShopFile, TopicsFile
from rekindle.flow.language import FlowModel, MannersModel, SegmentModel, TraitKind, TraitName

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FILES: dict[str, type[BaseModel] | Any] = {
    "flow": FlowModel,
    "segment": SegmentModel,
    "manners": MannersModel,
    "shop": ShopFile,
    "offer": OfferFile,
    "push": PushFile,
    "topics": TopicsFile,
    "popup": PopupFile,
    "traits": dict[TraitName, TraitKind],
}


class _Schema(GenerateJsonSchema):
    """Says what stands in the file: no title for every field's name, and no default but as somebody would write it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return no, for every field."""
        del schema
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Return the field's schema, with its default where the file could say the same."""
        found: dict[str, Any] = super().default_schema(schema)
        default, kind = found.pop("default", None), found.get("type")
        written = {"boolean": bool, "integer": int, "string": str}
        if kind in written and type(default) is written[kind] and default != "":
            found["default"] = default
        return found


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind of file."""
    found = TypeAdapter(_FILES[kind]).json_schema(by_alias=True, schema_generator=_Schema, mode="validation")
    if kind == "traits":
        found |= {"title": "Traits", "description": "The shop's own traits, each with what stands in it."}
    return {"$schema": _DIALECT, **found}


@click.command()
@click.argument("kind", type=click.Choice([*_FILES, "all"]))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write KIND.json into this folder, which is made if need be.",
)
def schema(*, kind: str, out: Path | None) -> int:
    """Print the JSON Schema of KIND of file, or with --out write it; KIND may be all of them.

    Editors that know YAML check and complete a file by it. Put this above a flow:
    # yaml-language-server: $schema=../../docs/schemas/flow.json
    """
    kinds = list(_FILES) if kind == "all" else [kind]
    if out is None:
        found = {one: schema_of(one) for one in kinds}
        click.echo(as_json(found if kind == "all" else found[kind]))
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for one in kinds:
        (out / f"{one}.json").write_text(f"{as_json(schema_of(one))}\n", "utf-8")
        click.echo(f"{out / one}.json")
    return 0
