"""The doors of a stack on the emulator, which makes an HTTP API and leaves out its routes (it ignores the body).

`make deploy` calls this where `AWS_ENDPOINT_URL` says that it is no AWS, and `local.stack` for its own stack.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3

from local.releases import stack_of

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from mypy_boto3_lambda import LambdaClient


def attach(
    gateway: ApiGatewayV2Client, lambdas: LambdaClient, plain: Mapping[str, Any], resources: Mapping[str, str]
) -> None:
    """Make the routes that the API's body describes and that are not there yet.

    `plain` is the stack's template after the SAM transform, `resources` says logical name → physical id.
    """
    api = resources["HttpApi"]
    pages = gateway.get_paginator("get_routes").paginate(ApiId=api)
    there = {route["RouteKey"] for page in pages for route in page["Items"]}
    for route, function in routes(plain):
        if route in there:
            continue
        arn = lambdas.get_function(FunctionName=resources[function])["Configuration"]["FunctionArn"]
        integration = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration}")


def routes(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield method and path, and the function's logical name, of everything in the API's body."""
    for path, operations in plain["Resources"]["HttpApi"]["Properties"]["Body"]["paths"].items():
        for method, operation in operations.items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            (function,) = re.findall(r"\$\{(\w+)\.Arn\}", uri)
            yield f"{method.upper()} {path}", function


def main(arguments: Sequence[str]) -> None:
    """Make the doors of the stack of a stage."""
    parser = argparse.ArgumentParser(prog="python -m local.doors", description=__doc__)
    parser.add_argument("--stage", required=True, help="dev, staging or prod, as in samconfig.toml")
    stack = stack_of(parser.parse_args(arguments).stage)
    cloudformation = boto3.client("cloudformation")
    plain: Any = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
    }
    plain = json.loads(plain) if isinstance(plain, str) else plain
    attach(boto3.client("apigatewayv2"), boto3.client("lambda"), plain, resources)


if __name__ == "__main__":
    main(sys.argv[1:])
