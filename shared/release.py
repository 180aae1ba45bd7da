"""Which release this is. The wheel takes it from here, and tests hold every other place that names it against it."""

VERSION = "0.1.0"
