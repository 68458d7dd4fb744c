"""The shop's own site: what its script and Shopify's web pixel send, read into events that nobody signed.

Pure: imports the standard library, msgspec, `rekindle.domain` and its neighbours in `shops`. `visitors` says whose
pages may send and what is a robot, `batch` reads one request, `events` each kind of event in it, `carts` a cart.

Anybody can send anything here. So nothing raises but for a body that is no batch at all; what is unusable is left out
and named in the event's `problems`, unknown fields are passed over, every text, list and number has a limit, and
addresses of pages and pictures are kept only where they are the shop's own.
"""

from rekindle.shops.onsite.batch import BODY_LIMIT, Batch, read, recognised
from rekindle.shops.onsite.visitors import is_robot, is_welcome

__all__ = ["BODY_LIMIT", "Batch", "is_robot", "is_welcome", "read", "recognised"]
