"""The tools of hookbus-ingest: send, rejections."""
