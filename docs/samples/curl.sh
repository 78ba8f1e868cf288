#!/usr/bin/env bash
# Reads a picture with curl and jq:
#
#   export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
#   bash curl.sh picture.jpg
set -euo pipefail

headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

# --data-urlencode escapes the +, / and = of base64. The last line of the answer is the status.
answer=$(base64 <"$1" | curl --silent --show-error --max-time 60 \
  --header "Authorization: APPCODE $ZIYAN_APPCODE" \
  --data-urlencode img@- \
  --dump-header "$headers" --write-out '\n%{http_code}' \
  "$ZIYAN_URL/ocr")
status=${answer##*$'\n'}
body=${answer%$'\n'*}

case $status in
  200) jq --raw-output .data <<<"$body" ;;
  # The request itself is at fault; the body says why.
  666) echo "666: $(jq --raw-output .msg <<<"$body")" >&2 && exit 1 ;;
  # Everything else is told in a header: no calls left, too many calls at once, …
  *) echo "$status: $(grep -i '^x-ca-error-message:' "$headers" | cut -d ' ' -f 2- | tr -d '\r')" >&2 && exit 1 ;;
esac
