#!/bin/sh
# Certificate and key of the server on 127.0.0.1 that tests of fetching talk to; nothing else trusts it.
cd "$(dirname "$0")" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj "/CN=hub.invalid" \
    -addext "subjectAltName=DNS:hub.invalid,IP:127.0.0.1" -keyout key.tmp -out certificate.tmp
cat certificate.tmp key.tmp >server.pem
rm certificate.tmp key.tmp
