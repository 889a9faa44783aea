"""What a person is told: the messages of ComfyUI's websocket, and sentences for what goes wrong. Pure."""
