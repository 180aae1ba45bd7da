"""The worker program. Its public names are in `hookbus`.

Empty, because `python -m hookbus.worker` imports it before the process is prepared: see `hookbus._start`.
"""
