"""What to do on the other side of an archive transfer, word for word."""

_TEXT = """\
Transfer code: {code}

On a pod that has the volume {volume_id} (mounted at /workspace):

  cd /workspace
  runpodctl receive {code}
  python3 -c "import zipfile; zipfile.ZipFile('models.zip').extract('extract-models.py')"
  python3 extract-models.py --target /workspace/comfyui/models

Serverless workers see the same folder as /runpod-volume/comfyui/models. Leave this command running until the pod has
received the file.
"""


def instructions(code: str, volume_id: str) -> str:
    """For *code*, which ``runpodctl send`` has printed."""
    return _TEXT.format(code=code, volume_id=volume_id)
