"""WHAT WE KNOW: submissions, claims and what they are about."""
