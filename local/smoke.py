"""A look at a stage after a deploy, from outside: does every door answer, and as it should?

Nothing is stored and nobody is written to: each request is one that Rekindle refuses, after it has loaded its code and
looked the shop or the link up. What is behind the doors `rekindle audit` looks at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import urllib3

from local.releases import ReleaseError, stack_of
from rekindle.aws.clients import Clients
from rekindle.aws.stack import StackError, explained, read_stack

_SECONDS = 20.0
#: What API Gateway answers where no function does.
_NO_ROUTE = b'{"message":"Not Found"}'
_WEBHOOK = {
    "X-Shopify-Topic": "orders/create",
    "X-Shopify-Shop-Domain": "smoke.example",
    "X-Shopify-Hmac-Sha256": "AA==",
}

#: What is asked, of which function, and what must come back.
DOORS: tuple[tuple[str, str, str, int], ...] = (
    ("webhook", "POST", "/webhooks/shopify/smoke-test", 401),
    ("collect", "POST", "/collect/smoke-test", 404),
    ("links", "GET", "/u/smoke-test", 404),
    ("pages", "GET", "/p/smoke-test", 404),
    ("signup", "GET", "/confirm/smoke-test", 404),
    ("track", "GET", "/c/smoke-test/0", 404),
    ("assets", "GET", f"/a/{'0' * 32}/smoke-test.png", 404),
)


def knock(api_url: str) -> Iterator[tuple[str, str, bool]]:
    """Yield function, what was asked and answered, and whether that is right."""
    pool = urllib3.PoolManager(timeout=_SECONDS, retries=False)
    for function, method, path, wanted in DOORS:
        asked = f"{method} {path}"
        try:
            answer = pool.request(
                method, f"{api_url}{path}", body=b"{}" if method == "POST" else None, headers=_WEBHOOK
            )
        except urllib3.exceptions.HTTPError as error:
            yield function, f"{asked}: {error}", False
            continue
        told = "" if answer.status == wanted else f", and should {wanted}"
        if answer.data == _NO_ROUTE:
            told = ", said by the API itself: it leads to no function"
        yield function, f"{asked}: {answer.status}{told}", not told


def main(arguments: Sequence[str]) -> int:
    """Knock at every door of a stage; return 0: all well, 1: not, 2: it cannot be found out."""
    parser = argparse.ArgumentParser(prog="python -m local.smoke", description=__doc__)
    parser.add_argument("--stage", required=True, help="dev, staging or prod, as in samconfig.toml")
    stage: str = parser.parse_args(arguments).stage
    try:
        with explained():
            stack = read_stack(Clients(), stack_of(stage))
        api_url = stack.output("ApiUrl")
    except (ReleaseError, StackError) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 2
    well = True
    for function, told, right in knock(api_url):
        print(f"{'ok  ' if right else 'FAIL'}  {function:8} {told}")
        well = well and right
    print(f"{stack.outputs.get('Version', 'unnamed')} {'answers' if well else 'does not answer as it should'}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
