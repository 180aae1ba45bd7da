#!/bin/sh
# Creates an ACL file from users.rules, and a password for each user that has none yet:
#   make-users.sh FOLDER    writes FOLDER/users.acl and FOLDER/<user>.password
# Existing passwords stay, so run it again when a release has new rules. The ACL file holds only SHA-256 sums of the
# passwords.
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
rules=$(dirname "$0")/users.rules
umask 077
mkdir -p "$1"
made=$(mktemp "$1/.users.acl.XXXXXX")
trap 'rm -f "$made"' EXIT

# One line for each user, without comments.
sed 's/#.*//; s/  */ /g; s/ $//' "$rules" | awk '
    /^user / { if (line) print line; line = $0; next }
    /^ /     { line = line $0 }
    END      { print line }' | while IFS= read -r line; do
    name=$(echo "$line" | cut -d' ' -f2)
    if [ "$name" != default ]; then
        [ -s "$1/$name.password" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$1/$name.password"
        line="$line #$(tr -d '\n' < "$1/$name.password" | sha256sum | cut -d' ' -f1)"
    fi
    echo "$line"
done > "$made"
# Redis reads the file, not root: it keeps its owner and mode.
if [ -e "$1/users.acl" ]; then
    chown --reference="$1/users.acl" "$made"
    chmod --reference="$1/users.acl" "$made"
fi
mv "$made" "$1/users.acl"
echo "$1/users.acl is for Redis; each program's redis_url has its user and password: redis://ingest:PASSWORD@HOST:6379/0" >&2
