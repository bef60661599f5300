"""What makes two indicators the same, how much is believed of one, and what a reader sees of it.

Pure; see model.md.
"""
