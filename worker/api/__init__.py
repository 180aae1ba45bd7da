"""The public API: a change here needs an entry in CHANGELOG.md."""
