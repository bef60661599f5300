"""Whole stories over HTTP, as partners, analysts and operators live them. "clients.md n" is its n-th rule."""
