"""The platform's limits and our own margins below them; bytes, unless the name says otherwise."""

MIB = 1024 * 1024

PROTOCOL = 1
"""Version of the contract in this package: the worker refuses another one, the proxy says that they differ."""

PROTOCOL_SOURCES = 3
"""Announced by a request whose files come from elsewhere (cached, url, volume): an older worker cannot read it."""

PROTOCOL_TEXTS = 4
"""Announced by a request whose long texts travel beside it: an older worker would run the prompt without them."""

RUN_BODY_MAX = 10 * MIB
"""RunPod, "Send requests": a larger POST /run, or a larger job-done, is answered with 400."""

RUNSYNC_BODY_MAX = 20 * 1000 * 1000
"""RunPod, "Send requests": the same for /runsync."""

STREAM_CHUNK_MAX = 1_000_000
"""RunPod, "Operation reference", /stream: one streamed payload; a larger one is split in an undocumented way."""

BATCH_TARGET = 700_000
"""JSON of one yield: what is added around it must never lift it over STREAM_CHUNK_MAX."""

BATCH_EVENTS_MAX = 25_000
"""Events of one batch: the shortest has 30 bytes of JSON."""

EVENT_VALUES_MAX = 50_000
"""JSON values in one event: all files that fit into the longest history have fewer."""

EVENT_DEPTH_MAX = 64
"""How deeply an event may be nested; functions that call themselves walk through it."""

FILE_CHUNK = 510 * 1024
"""Raw bytes in one FileChunk: 680 KiB as base64, so that one fits into a batch."""

INLINE_OUTPUT_MAX = 128 * 1024
"""Raw bytes of an output file that travels inside its NodeOutput instead of in chunks."""

INLINE_INPUTS_MAX = 7 * MIB
"""Raw bytes of all inputs inside one /run: 9.4 MiB as base64, which leaves room for the prompt."""

KEPT_MIN = 64 * 1024
"""An input file from this size on is kept by the worker and only named next time; smaller ones always travel."""

STORED_OUTPUT_MIN = 8 * MIB
"""An output file from this size on goes through the bucket or the volume, if there is one that both sides reach."""

UNANNOUNCED_MAX = 64 * MIB
"""Raw bytes that are kept of a file whose chunks do not say how large it is."""

PICTURE_MAX = 16 * MIB
"""Raw bytes of a picture that a node delivers by the websocket; it is whole in memory on its way to the page."""

PREVIEW_MAX = 100 * 1024
"""Raw bytes of one preview image; a larger one is dropped, the next one may be smaller."""

NESTING_MAX = 200
"""Levels of lists and objects in a prompt with all that belongs to it. pydantic writes 254, ComfyUI copies some 500."""

REQUEST_NESTING_MAX = NESTING_MAX + 20
"""The same of a job's ``input``, which wraps both."""

NODE_MESSAGE_MAX = 64 * 1024
"""Bytes of JSON of one message of a custom node; a larger one is left out."""

NODE_MESSAGES_PER_S = 256 * 1024
"""Bytes of such messages and frames in a second; above it only the newest of a kind goes on."""

PROMPT_CHANGES = 2_000
"""Places of a prompt that custom nodes of the worker changed and that are shown; with more none is."""

PROMPT_CHANGES_MAX = 256 * 1024
"""Bytes of JSON of such changes; with more none is shown."""

CATALOG_MAX = 64 * MIB
"""Bytes of JSON of what an endpoint has: ComfyUI 0.33.0 has 3 MiB of node definitions, and fifty packs double that."""

CATALOG_PACKED_MAX = 8 * MIB
"""The same, compressed."""

CATALOG_PIECE = 480 * 1024
"""Raw bytes of one piece of it: 640 KiB as base64."""

STREAM_WAIT_MIN_MS, STREAM_WAIT_MAX_MS = 1_000, 300_000
"""Accepted range of ``/stream/{id}?wait=``."""
