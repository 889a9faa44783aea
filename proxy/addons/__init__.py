"""mitmproxy addons, one concern a file; they never import each other."""
