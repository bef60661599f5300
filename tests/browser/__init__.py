"""The desk in a real browser: `make browser`. It needs Chromium (Debian: `apt-get install chromium`)."""
