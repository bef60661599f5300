"""How people get in: what of allauth and axes is ours to decide, and the pages around it."""
