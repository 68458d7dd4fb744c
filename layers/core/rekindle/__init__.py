"""Rekindle: lifecycle marketing for Shopify and WooCommerce shops, in the shop's own AWS account."""
