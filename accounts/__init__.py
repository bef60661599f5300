"""WHO: organisations, communities, members, tokens and the audit trail."""
