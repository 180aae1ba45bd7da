"""What users touch: a change here needs a line in CHANGELOG.md."""
