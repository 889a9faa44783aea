"""The browser's websocket: ComfyUI's messages and those of remote prompts in one stream."""
