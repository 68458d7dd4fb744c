"""The world that is not AWS: the shops' own APIs. The only place that opens connections of its own. Imports urllib3.

`http` makes a request and says exactly what became of it; `shopify` and `woocommerce` speak the two APIs; `codes` is
`ports.ShopCodes` over both. Like `aws`, may import ports and domain.
"""
