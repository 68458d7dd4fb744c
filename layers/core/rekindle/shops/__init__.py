"""Shops: prove that a request is a shop's own, and turn what it says into events.

Pure: imports `rekindle.domain`, msgspec and (only when needed) the libraries that know addresses. `intake.parse` is
the way in; `shopify` and `woocommerce` each hold a table from topic to the one function that reads it.
"""
