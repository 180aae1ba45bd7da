#!/bin/sh
# Makes an ACL file of users.rules, and a password for each user that has none yet:
#   make-users.sh FOLDER    writes FOLDER/users.acl and FOLDER/<user>.password
# Passwords that are there stay, so that it can be run again when a release brings new rules. The ACL file holds their
# SHA-256 sums only.
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
# Redis, not root, reads the file: whose it was it stays.
if [ -e "$1/users.acl" ]; then
    chown --reference="$1/users.acl" "$made"
    chmod --reference="$1/users.acl" "$made"
fi
mv "$made" "$1/users.acl"
echo "$1/users.acl is for Redis; each program's redis_url has its user and password: redis://ingest:PASSWORD@HOST:6379/0" >&2
