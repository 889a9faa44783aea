"""What people write for ComfyUI's port 8188: no feature flags, bare paths, one prompt, the pictures that came of it.

``websocket_script.py HOST:PORT PROMPT_FILE`` prints JSON: the kinds of messages, by node the kind and the head of each
binary frame, and names and sizes of the pictures that the history lists.
"""

import json
import sys
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import websocket

ADDRESS = sys.argv[1]


def get(path: str, **query: str) -> bytes:
    with urllib.request.urlopen(f"http://{ADDRESS}{path}?{urllib.parse.urlencode(query)}") as response:
        content: bytes = response.read()
        return content


def post(path: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(f"http://{ADDRESS}{path}", data=json.dumps(body).encode())
    with urllib.request.urlopen(request) as response:
        answer: dict[str, object] = json.loads(response.read())
        return answer


def main() -> None:
    client_id = str(uuid.uuid4())
    socket = websocket.WebSocket()
    socket.connect(f"ws://{ADDRESS}/ws?clientId={client_id}", timeout=60)  # type: ignore[no-untyped-call]
    prompt = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    prompt_id = str(uuid.uuid4())
    post("/prompt", {"prompt": prompt, "client_id": client_id, "prompt_id": prompt_id})
    kinds: list[str] = []
    frames: dict[str, list[tuple[int, str]]] = {}
    node = ""
    while True:
        received = socket.recv()
        if isinstance(received, bytes):
            frames.setdefault(node, []).append((received[3], received[8:12].hex()))
            continue
        message = json.loads(received)
        kinds.append(message["type"])
        if message["type"] == "executing" and message["data"].get("prompt_id") == prompt_id:
            if message["data"]["node"] is None:
                break
            node = message["data"]["node"]
    socket.close()
    outputs = json.loads(get(f"/history/{prompt_id}"))[prompt_id]["outputs"]
    items = [item for output in outputs.values() for item in output.get("images", ())]
    pictures = [(item["filename"], len(get("/view", **item))) for item in items]
    print(json.dumps({"kinds": kinds, "frames": frames, "pictures": pictures}))


main()
