"""Django wiring, no domain code."""
