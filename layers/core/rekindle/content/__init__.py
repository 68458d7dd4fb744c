"""Content: what marketers write, checked and compiled at publish, rendered at send.

`send` imports `playbook`, `mails`, `context`, `sandbox`, `formats` and `links`; everything else here belongs to publish
alone and may import what only publish ships (pydantic, ruamel.yaml, css-inline, mrml, Babel). Imports flow and domain.
"""
