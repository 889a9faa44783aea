"""The browser's websocket: messages of ComfyUI and of remote prompts in one stream."""
