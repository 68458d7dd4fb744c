"""The template for where there is no CodeDeploy: functions are reached directly, and a new version takes over at once.

The emulator knows no CodeDeploy, and its API has no host of its own. `make deploy` uses this where `AWS_ENDPOINT_URL`
says that it is no AWS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

_ON_AWS = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
_SHIFTING = ("AutoPublishAlias", "AutoPublishAliasAllProperties", "DeploymentPreference")


def at_once(template: dict[str, Any], endpoint: str) -> None:
    """Take aliases, shifting and what waits for either out of a SAM template, and numbers that parameters give.

    The API is reached at `endpoint`, where the emulator is.
    """
    resources = template["Resources"]
    for resource in resources.values():
        for name in _SHIFTING:
            resource.get("Properties", {}).pop(name, None)
        waits = resource.get("DependsOn", ())
        waits = [waits] if isinstance(waits, str) else waits
        if any(name not in resources for name in waits):
            del resource["DependsOn"]
        for event in resource.get("Properties", {}).get("Events", {}).values():
            _plain_numbers(event["Properties"], template["Parameters"])
    # Both watch nothing but a shift, and one of them names the new version of each function.
    del resources["NewVersionAlarm"], resources["RolloutAlarm"]
    body, values = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    del values["Rollout"]
    resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] = [body.replace("${Rollout}", ""), values]
    here = f"{endpoint}/_aws/execute-api/${{HttpApi}}/$default"
    template |= json.loads(json.dumps(template).replace(_ON_AWS, here))


def _plain_numbers(source: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Write out how many copies work on a source: the emulator takes a parameter's number for a text, and stands."""
    for told, name in ((source.get("ScalingConfig", {}), "MaximumConcurrency"), (source, "ParallelizationFactor")):
        if isinstance(told.get(name), dict):
            told[name] = parameters[told[name]["Ref"]]["Default"]


def main(built: Path, made: Path, endpoint: str) -> None:
    """Write the plain form of a built template beside it, so that its paths still hold."""
    template: dict[str, Any] = yaml_parse(built.read_text("utf-8"))
    at_once(template, endpoint)
    made.write_text(json.dumps(template, indent=1), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
