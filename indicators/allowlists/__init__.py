"""Allow-lists: what must never be published, and what an object watches that could be on one. Pure."""
