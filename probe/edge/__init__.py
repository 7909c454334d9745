"""The edge of the media mode: an HTTP origin that draws pictures from prompts when they are asked
for.  Needs the extra ``edge``; nothing else of the probe imports it."""
