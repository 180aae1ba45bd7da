#!/bin/sh
# Create the environment of the image: the locked run-time packages and the wheel, without build tools or pip.
# usage: install.sh VENV WHEEL [EXTRAS]   (PYTHON is the interpreter, python3 by default; it must have pip)
# EXTRAS, as in ed25519,otel, are the newest packages that fit.
set -eu
python=${PYTHON:-python3}
venv=$1
wheel=$2
pip() { "$python" -m pip --python "$venv/bin/python" --disable-pip-version-check -qq "$@"; }

"$python" -m venv --without-pip "$venv"
pip install --require-hashes --only-binary=:all: -r "$(dirname "$0")/requirements.lock"
pip install --no-deps --no-index "$wheel"
[ -z "${3:-}" ] || pip install --only-binary=:all: "${wheel}[$3]"
pip check
