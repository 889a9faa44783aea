"""Healthy while the container's ComfyUI answers. Standard library only: it runs every half minute."""

import os
import sys
import urllib.error
import urllib.request

url = f"http://127.0.0.1:{os.environ.get('COMFYUI_PORT') or 8188}/system_stats"
try:
    urllib.request.urlopen(url, timeout=4).close()
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"ComfyUI does not answer: {error}")
