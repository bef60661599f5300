"""The desk's pages on what is known; importing them registers them."""

from indicators.admin import allowlists, likenesses, techniques

__all__ = ["allowlists", "likenesses", "techniques"]
